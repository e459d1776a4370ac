"""Rules from YAML, held against kernel names: what a name says, how that is known, and the rules' own proof."""

from tcscope.rulebook.book import Explanation, RuleBook
from tcscope.rulebook.normalize import canonical
from tcscope.rulebook.rule import Rule

__all__ = ["Explanation", "Rule", "RuleBook", "canonical"]
