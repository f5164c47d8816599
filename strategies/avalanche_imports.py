"""What is used of Avalanche, imported in one place: its imports warn of solvers and loggers that are not used here."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import CLExperience, benchmark_from_datasets
    from avalanche.benchmarks.scenarios.supervised import with_classes_timeline
    from avalanche.benchmarks.scenarios.task_aware import with_task_labels
    from avalanche.benchmarks.utils import DataAttribute, TaskAwareSupervisedClassificationDataset
    from avalanche.benchmarks.utils.data_attribute import TaskLabels
    from avalanche.benchmarks.utils.flat_data import ConstantSequence
    from avalanche.training.plugins import SupervisedPlugin
    from avalanche.training.templates import SupervisedTemplate

__all__ = [
    "CLExperience",
    "ConstantSequence",
    "DataAttribute",
    "SupervisedPlugin",
    "SupervisedTemplate",
    "TaskAwareSupervisedClassificationDataset",
    "TaskLabels",
    "benchmark_from_datasets",
    "with_classes_timeline",
    "with_task_labels",
]
