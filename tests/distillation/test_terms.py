"""The named, weighted sum."""

import pytest
import torch

from nnunet_dsd.distillation.terms import formula, weighted_sum


def test_the_sum_is_each_weight_times_its_own_term():
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0), "c": torch.tensor(5.0)}
    assert weighted_sum(terms, {"c": 100.0, "b": 10.0, "a": 1.0}).item() == 2 + 30 + 500


def test_a_term_of_weight_zero_stays_in_the_graph_with_gradient_zero():
    used, unused = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    weighted_sum({"used": used * 1, "unused": unused * 1}, {"used": 4.0, "unused": 0.0}).backward()
    assert used.grad.item() == 4
    assert unused.grad is not None
    assert unused.grad.item() == 0


def test_a_single_term_is_weighted_too():
    assert weighted_sum({"a": torch.tensor(2.0)}, {"a": 0.25}).item() == 0.5


def test_a_term_without_weight_is_an_error_that_names_it():
    with pytest.raises(KeyError, match="forgotten"):
        weighted_sum({"a": torch.tensor(1.0), "forgotten": torch.tensor(1.0)}, {"a": 1.0})


def test_the_terms_themselves_are_left_as_they_were():
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    weighted_sum(terms, {"a": 7.0, "b": 7.0})
    assert [value.item() for value in terms.values()] == [2.0, 3.0]


def test_the_formula_names_every_term_with_its_weight_in_order():
    assert formula({"output": 1.0, "encoder_kl_1": 0.5}) == "1 * output + 0.5 * encoder_kl_1"
    assert formula({"a": 1 / 3}) == "0.3333 * a"
