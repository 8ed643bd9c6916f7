"""What a model costs, and a model that costs as much as another."""

from iqa_zoo.budgets.budget import Budget
from iqa_zoo.budgets.count import count_macs
from iqa_zoo.budgets.formulas import add_formula
from iqa_zoo.budgets.match import match_budget
from iqa_zoo.budgets.measure import measure_budget, measure_decoder
from iqa_zoo.budgets.report import budget_rows, budget_table, measure_budgets, print_budgets

__all__ = [
    "Budget",
    "add_formula",
    "budget_rows",
    "budget_table",
    "count_macs",
    "match_budget",
    "measure_budget",
    "measure_budgets",
    "measure_decoder",
    "print_budgets",
]
