"""What a model costs, and a model that costs as much as another."""

from iqa_zoo.budgets.budget import Budget
from iqa_zoo.budgets.count import count_macs
from iqa_zoo.budgets.formulas import add_formula
from iqa_zoo.budgets.measure import measure_budget, measure_decoder

__all__ = ["Budget", "add_formula", "count_macs", "measure_budget", "measure_decoder"]
