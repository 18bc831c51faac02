"""The one timer of a workflow."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.life import Alarm


class AlarmClock:
    """Rings when the soonest alarm is due.

    Alarms are instants, not durations, and are set again by every run of the workflow; so they
    outlive restarts and continue-as-new. Setting the same alarm again costs nothing: a message
    that moves no deadline leaves no trace of timers in the history. A patient clock rings as it
    was set first when the same alarm is only put off, and is then set anew.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.rang = False
        self._patient = patient
        self._alarm: Alarm | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, alarm: Alarm | None) -> None:
        self.rang = False
        if alarm == self._alarm or self._is_put_off(alarm):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._alarm = alarm
        self._timer = asyncio.create_task(self._wait(alarm)) if alarm else None

    def _is_put_off(self, alarm: Alarm | None) -> bool:
        return (
            self._patient
            and alarm is not None
            and self._alarm is not None
            and alarm.what == self._alarm.what
            and alarm.at > self._alarm.at
        )

    async def _wait(self, alarm: Alarm) -> None:
        delay = alarm.at - workflow.now()
        if delay > timedelta(0):
            await workflow.sleep(delay, summary=alarm.what)
        self._alarm = None
        self.rang = True
