"""Mails, as the programs of the world write them."""

from dataclasses import dataclass
from textwrap import dedent

from domain.mail import Fate

OURS = "<msg.0123456789abcdef0123456789abcdef.0@holdfast.example>"


@dataclass(frozen=True)
class Reply:
    name: str
    raw: bytes
    new: str


def _mail(text: str) -> bytes:
    return dedent(text).lstrip("\n").replace("OURS", OURS).replace("\n", "\r\n").encode()


def _reply(name: str, new: str, body: str, content_type: str = "text/plain") -> Reply:
    head = (
        "From: Ada <ada@example.com>\nTo: support@holdfast.example\nSubject: Re: Help [#12]\n"
        f"Message-ID: <{name}@example.com>\nIn-Reply-To: {OURS}\nReferences: {OURS}\n"
        f"Content-Type: {content_type}; charset=utf-8\n\n"
    )
    return Reply(name, _mail(head) + _mail(body), new)


PLAIN = _mail("""
    Return-Path: <ada@example.com>
    From: Ada Lovelace <Ada@Example.com>
    To: "Support" <support@holdfast.example>
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe=3A_it_does?=
     not print
    Message-ID: <first@example.com>
    Date: Mon, 2 Mar 2026 10:11:12 +0100
    MIME-Version: 1.0
    Content-Type: text/plain; charset="utf-8"

    Hello,

    it does not print.

        error 42



    Ada
""")

GMAIL = _reply(
    "gmail",
    "It works now, thank you!",
    """
    It works now, thank you!

    On Mon, Mar 2, 2026 at 10:11 AM Support at a Company With a Long Name <
    support@holdfast.example> wrote:

    > Have you tried to turn it off
    > and on again?
    >
    > On Sun, somebody wrote:
    >> It does not print.
    """,
)
GMAIL_HTML = _reply(
    "gmail-html",
    "It works now, thank you!",
    """
    <div dir="ltr">It works now, thank you!</div><br><div class="gmail_quote gmail_quote_container">
    <div dir="ltr" class="gmail_attr">On Mon, Mar 2, 2026 at 10:11 AM Support
    &lt;support@holdfast.example&gt; wrote:<br></div><blockquote class="gmail_quote"
    style="margin:0">Have you tried to turn it off</blockquote></div>
    """,
    "text/html",
)
OUTLOOK = _reply(
    "outlook",
    "It works now.\n\nRegards\nAda",
    """
    It works now.

    Regards
    Ada

    ________________________________
    From: Support <support@holdfast.example>
    Sent: Monday, March 2, 2026 10:11 AM
    To: Ada <ada@example.com>
    Subject: Re: Help [#12]

    Have you tried to turn it off and on again?
    """,
)
OUTLOOK_GERMAN = _reply(
    "outlook-german",
    "Jetzt geht es.",
    """
    Jetzt geht es.

    Von: Support <support@holdfast.example>
    Gesendet: Montag, 2. März 2026 10:11
    An: Ada <ada@example.com>
    Betreff: Re: Help [#12]

    Haben Sie es schon aus- und eingeschaltet?
    """,
)
OUTLOOK_HTML = _reply(
    "outlook-html",
    "It works now.",
    """
    <html><head><style>p { color: red }</style></head><body><div>It works now.</div>
    <div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Support<br>
    <b>Sent:</b> Monday</div><div>Have you tried?</div></body></html>
    """,
    "text/html",
)
OUTLOOK_FRENCH = _reply(
    "outlook-french",
    "Merci !",
    """
    Merci !

    De : Support <support@holdfast.example>
    Envoyé : lundi 2 mars 2026 10:11
    À : Ada <ada@example.com>
    Objet : Re: Help [#12]

    Avez-vous essayé ?
    """,
)
APPLE = _reply(
    "apple",
    "Now it prints.\n\nAda",
    """
    Now it prints.

    Ada

    > On 2. Mar 2026, at 10:11, Support <support@holdfast.example> wrote:
    >
    > Have you tried to turn it off and on again?
    """,
)
APPLE_GERMAN = _reply(
    "apple-german",
    "Jetzt druckt es.",
    """
    Jetzt druckt es.

    > Am 02.03.2026 um 10:11 schrieb Support <support@holdfast.example>:
    >
    > Haben Sie es schon aus- und eingeschaltet?
    """,
)
THUNDERBIRD_GERMAN = _reply(
    "thunderbird-german",
    "Jetzt druckt es.",
    """
    Am 02.03.26 um 10:11 schrieb Support:
    > Haben Sie es schon aus- und eingeschaltet?

    Jetzt druckt es.
    """,
)
GMAIL_FRENCH = _reply(
    "gmail-french",
    "Ça marche.",
    """
    Ça marche.

    Le lun. 2 mars 2026 à 10:11, Support <support@holdfast.example> a
    écrit :

    > Avez-vous essayé ?
    """,
)
GMAIL_ITALIAN = _reply(
    "gmail-italian",
    "Adesso funziona.",
    """
    Adesso funziona.

    Il giorno lun 2 mar 2026 alle ore 10:11 Support <support@holdfast.example>
    ha scritto:

    > Ha provato?
    """,
)
PHONE = _reply(
    "phone",
    "Works.\n\nSent from my phone",
    """
    Works.

    Sent from my phone

    On Mon, 2 Mar 2026, 10:11 Support, <support@holdfast.example> wrote:

    Have you tried to turn it off and on again?
    """,
)
REPLIES = (
    *(GMAIL, GMAIL_HTML, OUTLOOK, OUTLOOK_GERMAN, OUTLOOK_FRENCH, APPLE, APPLE_GERMAN),
    *(THUNDERBIRD_GERMAN, GMAIL_FRENCH, GMAIL_ITALIAN, PHONE),
)

FORWARDED = _mail("""
    From: Ada <ada@example.com>
    To: support@holdfast.example
    Subject: Fwd: Invoice
    Message-ID: <forwarded@example.com>
    References: <invoice@shop.example>

    What is this?

    ---------- Forwarded message ---------
    From: Shop <billing@shop.example>
    Date: Mon, Mar 2, 2026 at 10:11 AM
    Subject: Invoice
    To: Ada <ada@example.com>

    Your invoice 17 is overdue.
""")
HTML_ALONE = _mail("""
    From: shop@example.com
    Subject: Welcome
    Message-ID: <html@example.com>
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    <?xml version=3D"1.0" encoding=3D"utf-8"?><html><head><style>p {color: red}</style></head>
    <body><h1>Hello &amp; welcome</h1><script>alert(1)</script><p>Second =
    line</p></body></html>
""")
WITH_INLINE_IMAGE = _mail("""
    From: ada@example.com
    Subject: Picture
    Message-ID: <image@example.com>
    Content-Type: multipart/related; boundary="outer"

    --outer
    Content-Type: multipart/alternative; boundary="inner"

    --inner
    Content-Type: text/plain; charset=utf-8

    Look:

    --inner
    Content-Type: text/html; charset=utf-8

    <p>Look: <img src="cid:1"></p>
    --inner--

    --outer
    Content-Type: image/png; name="screen.png"
    Content-ID: <1>
    Content-Disposition: inline; filename="screen.png"
    Content-Transfer-Encoding: base64

    iVBORw0KGgo=
    --outer--
""")
INVITATION = _mail("""
    From: ada@example.com
    Subject: Meeting
    Message-ID: <meeting@example.com>
    Content-Type: multipart/alternative; boundary="b"

    --b
    Content-Type: text/plain; charset=utf-8

    You are invited.
    --b
    Content-Type: text/html; charset=utf-8

    <p>You are invited.</p>
    --b
    Content-Type: text/calendar; charset=utf-8; method=REQUEST

    BEGIN:VCALENDAR
    END:VCALENDAR
    --b--
""")

AUTOMATIC = (
    b"Auto-Submitted: auto-generated\n",
    b"Auto-Submitted: auto-notified (by a machine)\n",
    b"Precedence: bulk\n",
    b"Precedence: junk\n",
    b"List-Id: Friends <friends.example.com>\nPrecedence: list\n",
    b"X-Auto-Response-Suppress: All\n",
    b"Return-Path: <>\n",
    b"From: MAILER-DAEMON@example.com\n",
    b"From: No-Reply <no-reply@example.com>\n",
    b"From: noreply+17@example.com\n",
)
AUTO_REPLIES = (
    b"Auto-Submitted: auto-replied\nSubject: Re: Help\n",
    b"Auto-Submitted: auto-replied (vacation)\n",
    b"X-Autoreply: yes\nPrecedence: bulk\n",
    b"X-Autorespond: away\n",
    b"Precedence: auto_reply\n",
    b"Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\nSubject: Automatic reply: x\n",
    b"X-Auto-Response-Suppress: All\nSubject: Abwesenheitsnotiz: Hilfe\n",
)


def _report(action: str, status: str, returned: str, kind: str = "delivery-status") -> bytes:
    told = (
        "Reporting-MTA: dns; mx.example.com\n\n"
        f"Final-Recipient: rfc822; ada@example.com\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: smtp; 550 5.1.1 No such user"
        if kind == "delivery-status"
        else f"Final-Recipient: rfc822; ada@example.com\nDisposition: manual-action/x; {action}"
    )
    head = dedent(f"""
        Return-Path: <>
        From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
        To: support@holdfast.example
        Subject: Undelivered Mail Returned to Sender
        Auto-Submitted: auto-replied
        Message-ID: <report@mx.example.com>
        Content-Type: multipart/report; report-type={kind}; boundary="r"

        --r
        Content-Type: text/plain

        I am sorry.
        --r
        Content-Type: message/{kind}

        """).lstrip("\n")
    return f"{head}{told}\n\n{returned}--r--\n".replace("\n", "\r\n").encode()


_WHOLE = f"--r\nContent-Type: message/rfc822\n\nFrom: s@x\nMessage-ID: {OURS}\n\nHave you tried?\n"
_HEADERS = f"--r\nContent-Type: text/rfc822-headers\n\nFrom: s@x\nMessage-Id:\n {OURS}\n"
FAILED = _report("failed", "5.1.1", _WHOLE)
IN_REPLY_TO = _report("failed", "5.1.1", "").replace(
    b"Subject:", f"In-Reply-To: {OURS}\r\nSubject:".encode()
)
READ_RECEIPT = _report("displayed", "", _HEADERS, "disposition-notification")
REPORTS = (
    (FAILED, Fate.FAILED, "5.1.1"),
    (_report("failed (undeliverable)", "5.2.2", _HEADERS), Fate.FAILED, "5.2.2"),
    (_report("delayed", "4.4.1", _HEADERS), Fate.DELAYED, "4.4.1"),
    (_report("delivered", "2.0.0", _HEADERS), Fate.DELIVERED, "2.0.0"),
    (_report("relayed", "2.0.0", _HEADERS), Fate.OTHER, "2.0.0"),
    (IN_REPLY_TO, Fate.FAILED, "5.1.1"),
    (READ_RECEIPT, Fate.READ, None),
)

ALL = (
    *(PLAIN, FORWARDED, HTML_ALONE, WITH_INLINE_IMAGE, INVITATION, FAILED, READ_RECEIPT),
    *(reply.raw for reply in REPLIES),
)

_HEAD = b"From: a@x.org\nIn-Reply-To: <b@x>\n"
_MANY = _HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n"


def _nested(depth: int) -> bytes:
    return _HEAD + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)
    )


MONSTERS = (
    _MANY + b"--b\n\nhello\n" * 10_000 + b"--b--\n",
    _nested(30) + b"\nx\n" * 100_000,
    _nested(500),
    _nested(5_000) + b"\nx\n" * 100_000,
    _HEAD + b"Content-Type: message/rfc822\n\n" * 2_000,
    _HEAD + b"Subject: " + b"=?utf-8?q?=C3?= " * 100_000 + b"\n\nhi",
    b"From: " + b"(" * 200_000 + b"a@x.org\n\nhi",
    b"From: " + b'"a@x.org, ' * 50_000 + b"\n\nhi",
    _HEAD + b"To: " + b"a@x.org, " * 100_000 + b"\n\nhi",
    _HEAD + b"References: " + b"<a@x> " * 200_000 + b"\n\nhi",
    b"From: a@x.org\n" + b"X: y\n" * 200_000 + b"\nhi",
    _HEAD + b"Content-Type: text/plain; " + b"a*0*=b; " * 10_000 + b"\n\nhi",
    _HEAD + b"Content-Type: text/html\n\n" + b"<div>" * 200_000,
    _HEAD + b"Content-Type: text/html\n\n" + b"<blockquote type=cite>" * 20_000 + b"x",
    _HEAD + b"Content-Type: text/html\n\n" + b"<" * 2_000_000,
    _HEAD + b"Content-Type: text/html\n\n" + b"<p>a<table><tr><td>" * 50_000,
    _HEAD + b"\n" + b"On " * 500_000 + b" wrote:",
    _HEAD + b"\n" + b"On 2026 wrote\n" * 100_000,
    _HEAD + b"\n" + b">\n:\n" * 200_000,
    _HEAD + b"\n" + b"From: a\n" * 200_000,
    _HEAD + b"\n" + b"\n" * 1_000_000 + b" " * 1_000_000,
    _HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"\xff" + b"-zzzz" * 200_000,
    b"From: a@x.org\nContent-Disposition: x; filename*=punycode''" + b"-zz" * 200_000 + b"\n\nhi",
    b"From: a@x.org\rContent-Type: x/y" + b";\r a=b" * 200_000 + b"\r\rhi",
    _HEAD + b"Content-Type: text/plain; format=flowed\n\n" + b"a \n" * 300_000,
    _HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"=" * 3_000_000,
    _HEAD + b"Content-Transfer-Encoding: uuencode\n\nbegin 666 x\n" + b"M" * 1_000_000,
    _HEAD + b"Date: " + b"1 " * 200_000 + b"\n\nhi",
)
