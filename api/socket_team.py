"""Team chat over a socket: writing, typing, and saying how one is. For people of the desk alone."""

from collections.abc import Sequence

from api.socket_commands import Answer, Caller, Command, require_staff
from api.socket_requests import parse
from api.team_bodies import SayStatus, SendOverSocket, TypingTo
from api.team_views import sent_view, user_id_view
from store import team_chat, team_news, team_presence
from store.database import Database
from store.team_chat import Draft
from store.team_news import Typing


class TeamCommands:
    def __init__(self, database: Database) -> None:
        self._database = database

    def table(self) -> dict[str, Command]:
        """By the event that asks for it."""
        return {"send_message": self.send, "typing": self.type, "presence": self.say_status}

    async def send(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{success, id, timestamp}`. The same `clientId` again: those of the first
        message, and nothing is written; it is one with the `Idempotency-Key` over HTTP."""
        user_id = require_staff(caller.principal)
        request = parse(SendOverSocket, arguments)
        draft = Draft(
            sender_id=user_id,
            receiver_id=request.receiver_id,
            message=request.message,
            message_type=request.type,
            client_id=request.client_id,
            sid=caller.sid,
        )
        async with self._database.begin() as session:
            sent = await team_chat.send(session, draft)
        return sent_view(sent).json_object()

    async def type(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{receiverId, typing}`."""
        user_id = require_staff(caller.principal)
        request = parse(TypingTo, arguments)
        async with self._database.begin() as session:
            await team_chat.require(session, request.receiver_id)
            news = Typing(request.receiver_id, user_id, request.typing)
            await team_news.announce(session, news)
        return {"receiverId": user_id_view(request.receiver_id), "typing": request.typing}

    async def say_status(self, caller: Caller, arguments: Sequence[object]) -> Answer:
        """Answers `{userId, status}`."""
        user_id = require_staff(caller.principal)
        request = parse(SayStatus, arguments)
        async with self._database.begin() as session:
            await team_presence.set_status(session, user_id, request.status)
        return {"userId": user_id_view(user_id), "status": request.status}
