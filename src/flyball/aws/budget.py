"""A monthly budget for resources with the application's tag: mail at 80 % spent and at 100 % forecast.

It is a separate stack in us-east-1, because CloudFormation does not support budgets in every region. AWS counts by tag
only after `flyball:application` is activated as a cost allocation tag in the account's billing settings.
https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets

from flyball.core.model import Application, Aws

from .site import open_stack

REGION = "us-east-1"


def build(scope: cdk.App, app: Application, aws: Aws) -> None:
    """The budget's stack, if the file sets a budget."""
    if aws.monthly_budget_usd is None:
        return
    stack = open_stack(scope, f"{app.name}-budget", REGION, f"{app.name}: what it may cost in a month")
    made = budgets.CfnBudget
    subscriber = made.SubscriberProperty(subscription_type="EMAIL", address=aws.alarm_email)
    made(
        stack,
        "Budget",
        budget=made.BudgetDataProperty(
            budget_name=f"{app.name}-monthly",
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=made.SpendProperty(amount=aws.monthly_budget_usd, unit="USD"),
            cost_filters={"TagKeyValue": [f"user:flyball:application${app.name}"]},
        ),
        notifications_with_subscribers=[
            made.NotificationWithSubscribersProperty(
                notification=made.NotificationProperty(
                    notification_type=kind,
                    comparison_operator="GREATER_THAN",
                    threshold=share,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[subscriber],
            )
            for kind, share in (("ACTUAL", 80), ("FORECASTED", 100))
        ],
    )
