"""Figures about the desk's work, found anew from the log each time: none is kept anywhere.

Each is one statement that reads indexes made for it (migration 0007), however long the log is.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.figures import (
    TICKET_OPEN,
    AgentFigures,
    Kept,
    Load,
    OpenTicket,
    OpenTickets,
    Period,
    Sla,
    Team,
)
from domain.models import Priority, TicketStatus
from store import ticket_lists
from store.ticket_lists import TicketFilter


async def open_tickets_of(session: AsyncSession, agent_id: str, limit: int) -> OpenTickets:
    """The newest open tickets that are assigned to an agent, and how many are."""
    wanted = TicketFilter(statuses=frozenset(TICKET_OPEN), assigned_agent_id=agent_id)
    rows = await session.execute(_OPEN_TICKETS, {"agent_id": agent_id, "limit": limit})
    newest = tuple(
        OpenTicket(
            row.number,
            row.subject,
            TicketStatus(row.status),
            Priority(row.priority),
            row.breached,
        )
        for row in rows
    )
    return OpenTickets(await ticket_lists.count(session, wanted), newest)


async def sla(session: AsyncSession, period: Period, now: datetime) -> Sla:
    """What became of the promises made for tickets that were created in the period.

    When something was promised stands in the ticket (`due_at`, which moves with the priority until
    the promise is kept or broken); what was done, and when, stands in the log:

    - *Answered* is a ticket at its first public message by an agent, or when it was first resolved
      or closed, whichever came first. The assistant's answers are none. In a ticket that goes on
      from a live conversation, an agent's reply there counts.
    - *Resolved* is a ticket from when it was set to resolved or closed until it is reopened, which
      makes a new promise.

    A promise is *in time* when that came no later than `due_at`. It is *late* when it came later,
    or has not come although `due_at` has passed. Otherwise it is *pending*. A resolution is late
    too where one of the ticket's earlier promises, made before it was reopened, was told in the log
    to be broken. All else is told by the times alone: while no worker runs, promises are broken of
    which no event tells yet.
    """
    asked = {"since": period.since, "until": period.until, "now": now}
    row = (await session.execute(_SLA, asked)).one()
    return Sla(
        period,
        row.tickets,
        _kept(row.tickets, row.answered_in_time, row.answered_late),
        _kept(row.tickets, row.resolved_in_time, row.resolved_late),
    )


async def team(session: AsyncSession, period: Period, limit: int) -> Team:
    """What each agent has to do, and did in the period; and how many agents there are to tell of.

    - `open_tickets`: assigned to them now.
    - `replies`: their public messages, in tickets and live conversations; those that a ticket took
      over from a conversation count once.
    - `resolved`: tickets that they set to resolved or closed; one that they resolved twice counts
      once.
    - `conversations`: live conversations in which they said something.
    - `median_first_response`: of the tickets whose first public message by an agent was theirs, how
      long after its creation it came; the lower one of two in the middle. Tickets that were
      answered in a live conversation before they became tickets do not count.
    """
    asked = {"since": period.since, "until": period.until, "limit": limit}
    rows = (await session.execute(_TEAM, asked)).all()
    count = rows[0].agents if rows else 0
    return Team(period, count, tuple(AgentFigures(*row[:-1]) for row in rows))


async def load(session: AsyncSession) -> Load:
    """What there is to do at this moment."""
    tickets = await ticket_lists.count(session, TicketFilter(statuses=frozenset(TICKET_OPEN)))
    row = (await session.execute(_LOAD)).one()
    return Load(tickets, row.queued, row.waiting_since, row.pending_deliveries)


def _kept(tickets: int, in_time: int, late: int) -> Kept:
    return Kept(in_time, late, tickets - in_time - late)


# The conditions stand here word for word as in the indexes, or these would not be used.
_IS_REPLY = "author = 'agent' AND visibility = 'public'"
_IS_RESOLUTION = """
    event ->> 'type' = 'status_changed' AND event ->> 'after' IN ('resolved', 'closed')
    AND event ->> 'before' <> 'resolved'
"""
_IS_REOPENING = """
    event ->> 'type' = 'status_changed' AND event ->> 'before' = 'resolved'
    AND event ->> 'after' <> 'closed'
"""
_IS_BREACH = "event ->> 'type' = 'deadline_breached' AND event ->> 'deadline' = 'resolution'"
_IS_HANDOVER = "event ->> 'type' = 'from_conversation'"

_OPEN_TICKETS = text(
    """
    SELECT number, subject, status, priority, breached FROM tickets
    WHERE assigned_agent_id = :agent_id AND status IN ('new', 'open', 'pending_customer')
    ORDER BY created_at DESC, number DESC LIMIT :limit
    """
)
# Nothing is written into a ticket before it is created but what it takes over from a
# conversation: all else can be looked for from the beginning of the period on.
_SLA = text(
    f"""
    WITH asked AS MATERIALIZED (
        SELECT id, conversation_id,
            CAST(deadlines -> 'first_response' ->> 'due_at' AS timestamptz) AS answer_due,
            CAST(deadlines -> 'resolution' ->> 'due_at' AS timestamptz) AS resolution_due
        FROM tickets WHERE created_at >= :since AND created_at < :until
    ), replies AS (
        SELECT thread_id, min(created_at) AS first_at FROM messages
        WHERE {_IS_REPLY} AND created_at >= :since GROUP BY thread_id
    ), resolutions AS (
        SELECT thread_id, count(*) AS times, min(created_at) AS first_at, max(created_at) AS last_at
        FROM messages WHERE {_IS_RESOLUTION} AND created_at >= :since GROUP BY thread_id
    ), reopenings AS (
        SELECT thread_id, count(*) AS times FROM messages
        WHERE {_IS_REOPENING} AND created_at >= :since GROUP BY thread_id
    ), breaches AS (
        SELECT DISTINCT thread_id FROM messages WHERE {_IS_BREACH} AND created_at >= :since
    ), told AS MATERIALIZED (
        SELECT answer_due, resolution_due,
            least(replies.first_at, resolutions.first_at, (
                SELECT created_at FROM messages
                WHERE thread_id = asked.id AND asked.conversation_id IS NOT NULL AND {_IS_REPLY}
                ORDER BY seq LIMIT 1
            )) AS answered_at,
            CASE WHEN resolutions.times > coalesce(reopenings.times, 0)
                THEN resolutions.last_at END AS resolved_at,
            breaches.thread_id IS NOT NULL AS broken
        FROM asked
        LEFT JOIN replies ON replies.thread_id = asked.id
        LEFT JOIN resolutions ON resolutions.thread_id = asked.id
        LEFT JOIN reopenings ON reopenings.thread_id = asked.id
        LEFT JOIN breaches ON breaches.thread_id = asked.id
    )
    SELECT count(*) AS tickets,
        count(*) FILTER (WHERE answered_at <= answer_due) AS answered_in_time,
        count(*) FILTER (
            WHERE answered_at > answer_due OR answered_at IS NULL AND answer_due <= :now
        ) AS answered_late,
        count(*) FILTER (
            WHERE resolved_at <= resolution_due AND NOT broken
        ) AS resolved_in_time,
        count(*) FILTER (
            WHERE broken OR resolved_at > resolution_due
            OR resolved_at IS NULL AND resolution_due <= :now
        ) AS resolved_late
    FROM told
    """  # noqa: S608  nothing in it comes from outside
)
# What a ticket took over from a conversation stands before the event that tells of it.
_TEAM = text(
    f"""
    WITH replies AS MATERIALIZED (
        SELECT m.thread_id, m.seq, m.author_id, m.created_at,
            coalesce(m.seq < h.seq, false) AS taken_over
        FROM messages m LEFT JOIN (
            SELECT thread_id, seq FROM messages WHERE {_IS_HANDOVER} AND created_at >= :since
        ) h ON h.thread_id = m.thread_id
        WHERE m.author = 'agent' AND m.visibility = 'public' AND m.author_id IS NOT NULL
        AND m.created_at >= :since AND m.created_at < :until
    ), said AS (
        SELECT thread_id, author_id, count(*) AS times FROM replies
        WHERE NOT taken_over GROUP BY thread_id, author_id
    ), speakers AS (
        SELECT author_id AS agent_id, sum(times) AS replies, count(c.id) AS conversations
        FROM said LEFT JOIN conversations c ON c.id = said.thread_id GROUP BY author_id
    ), firsts AS (
        SELECT DISTINCT ON (thread_id) * FROM replies ORDER BY thread_id, seq
    ), responses AS (
        SELECT f.author_id AS agent_id,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY f.created_at - t.created_at) AS median
        FROM firsts f JOIN tickets t ON t.id = f.thread_id
        WHERE NOT f.taken_over AND (
            t.created_at >= :since AND t.conversation_id IS NULL
            OR NOT EXISTS (
                SELECT FROM messages e
                WHERE e.thread_id = f.thread_id AND e.seq < f.seq AND {_IS_REPLY}
            )
        )
        GROUP BY f.author_id
    ), resolved AS (
        SELECT event ->> 'by' AS agent_id, count(DISTINCT thread_id) AS times FROM messages
        WHERE {_IS_RESOLUTION} AND created_at >= :since AND created_at < :until
        GROUP BY event ->> 'by'
    ), assigned AS (
        SELECT assigned_agent_id AS agent_id, sum(change) AS tickets FROM ticket_tallies
        WHERE status IN ('new', 'open', 'pending_customer') AND assigned_agent_id IS NOT NULL
        GROUP BY assigned_agent_id HAVING sum(change) > 0
    )
    SELECT a.id, coalesce(nullif(a.name, ''), a.id) AS name,
        CAST(coalesce(assigned.tickets, 0) AS bigint) AS open_tickets,
        CAST(coalesce(speakers.replies, 0) AS bigint) AS replies,
        coalesce(resolved.times, 0) AS resolved,
        coalesce(speakers.conversations, 0) AS conversations,
        responses.median, count(*) OVER () AS agents
    FROM agents a
    LEFT JOIN assigned ON assigned.agent_id = a.id
    LEFT JOIN speakers ON speakers.agent_id = a.id
    LEFT JOIN responses ON responses.agent_id = a.id
    LEFT JOIN resolved ON resolved.agent_id = a.id
    WHERE coalesce(assigned.agent_id, speakers.agent_id, resolved.agent_id) IS NOT NULL
    ORDER BY replies DESC, resolved DESC, conversations DESC, open_tickets DESC, a.id
    LIMIT :limit
    """  # noqa: S608  nothing in it comes from outside
)
_LOAD = text(
    """
    SELECT
        (SELECT count(*) FROM conversations WHERE status = 'QUEUED') AS queued,
        (SELECT min(queued_at) FROM conversations WHERE status = 'QUEUED') AS waiting_since,
        (SELECT count(*) FROM deliveries WHERE state = 'pending') AS pending_deliveries
    """
)
