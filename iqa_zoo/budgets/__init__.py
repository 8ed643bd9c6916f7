"""What a model costs, a model that costs as much as another, and the settings of a model that none beats."""

from iqa_zoo.budgets.budget import Budget, Latency
from iqa_zoo.budgets.count import count_macs
from iqa_zoo.budgets.formulas import add_formula
from iqa_zoo.budgets.front import FrontPoint, pareto_front
from iqa_zoo.budgets.latency import measure_latency
from iqa_zoo.budgets.match import match_budget
from iqa_zoo.budgets.measure import measure_budget, measure_decoder
from iqa_zoo.budgets.report import budget_rows, budget_table, front_table, measure_budgets, print_budgets

__all__ = [
    "Budget",
    "FrontPoint",
    "Latency",
    "add_formula",
    "budget_rows",
    "budget_table",
    "count_macs",
    "front_table",
    "match_budget",
    "measure_budget",
    "measure_budgets",
    "measure_decoder",
    "measure_latency",
    "pareto_front",
    "print_budgets",
]
