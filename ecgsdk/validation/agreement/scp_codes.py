"""SCP-ECG statements that a finished diagnostic model may map its labels to."""

from __future__ import annotations

from ecgsdk.conditions import STATEMENTS

__all__ = ["SCP_CODES"]

SCP_CODES = (
    *STATEMENTS,
    *("2AVB", "3AVB", "ALMI", "ANEUR", "ASMI", "DIG", "EL", "HVOLT", "ILMI", "IMI", "INJAL", "INJAS", "INJIL", "INJIN"),
    *("INJLA", "IPLMI", "IPMI", "ISCAL", "ISCAN", "ISCAS", "ISCIL", "ISCIN", "ISCLA", "ISC_", "LMI", "LOWT", "NST_"),
    *("NT_", "PMI", "PRC(S)", "PSVT", "SEHYP", "SR", "STE_", "SVARR", "SVTAC", "TRIGU", "VCLVH"),
)
"""Codes that a fixed classifier may map its labels to: what a model may be asked for, and the others of PTB-XL."""
