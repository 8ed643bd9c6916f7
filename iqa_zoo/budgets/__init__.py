"""Measure the cost of a model, match it to another model, and find Pareto-optimal settings."""

from iqa_zoo.budgets.budget import Budget, Latency
from iqa_zoo.budgets.count import count_macs
from iqa_zoo.budgets.formulas import add_formula
from iqa_zoo.budgets.front import FrontPoint, pareto_front
from iqa_zoo.budgets.latency import measure_latency
from iqa_zoo.budgets.match import match_budget
from iqa_zoo.budgets.measure import measure_budget, measure_decoder
from iqa_zoo.budgets.report import list_budget_rows, make_budget_table, make_front_table, print_budgets

__all__ = [
    "Budget",
    "FrontPoint",
    "Latency",
    "add_formula",
    "count_macs",
    "list_budget_rows",
    "make_budget_table",
    "make_front_table",
    "match_budget",
    "measure_budget",
    "measure_decoder",
    "measure_latency",
    "pareto_front",
    "print_budgets",
]
