"""What a network costs, counted by hand."""

import pytest
import torch
from torch import nn

from nnunet_dsd.networks.cost import median_ratio, multiply_adds, parameter_count, seconds_in_turn


def test_parameters_and_multiply_adds_of_two_layers_are_those_counted_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 4, kernel_size=3, padding=1),  # 9 x 1 x 4 weights, each used in 8 x 8 places; 4 biases
        nn.BatchNorm2d(4),  # 8 parameters, not counted as work
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, kernel_size=2, stride=2),  # 4 x 4 x 2 weights in 8 x 8 places; 2 biases
    )
    assert parameter_count(network) == 36 + 4 + 8 + 32 + 2
    assert multiply_adds(network, torch.zeros(1, 1, 8, 8)) == 36 * 64 + 32 * 64
    assert multiply_adds(network, torch.zeros(3, 1, 8, 8)) == 3 * (36 * 64 + 32 * 64)


def test_a_strided_convolution_in_three_dimensions_works_where_its_output_is():
    network = nn.Conv3d(2, 6, kernel_size=3, stride=2, padding=1, bias=False)
    assert multiply_adds(network, torch.zeros(1, 2, 8, 6, 4)) == 27 * 2 * 6 * (4 * 3 * 2)


def test_each_network_is_measured_in_every_round_and_threads_are_put_back():
    before = torch.get_num_threads()
    small, large = nn.Conv2d(1, 1, 1).eval(), nn.Conv2d(16, 64, 9, padding=4).eval()
    images = [torch.zeros(1, 1, 4, 4), torch.zeros(1, 16, 96, 96)]
    times = seconds_in_turn([small, large], images, rounds=3, threads=1)
    assert [len(taken) for taken in times] == [3, 3]
    assert all(seconds > 0 for taken in times for seconds in taken)
    assert median_ratio(times[1], times[0]) > 1
    assert torch.get_num_threads() == before


def test_the_ratio_is_the_median_of_the_rounds():
    assert median_ratio([2.0, 9.0, 8.0], [1.0, 3.0, 2.0]) == pytest.approx(3.0)
