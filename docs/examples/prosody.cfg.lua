-- An XMPP server to try Holdfast with, on this machine alone; see docs/xmpp.md.
-- Start it in the folder where its data may lie: they go there.
-- Passwords and messages go unencrypted over the loopback interface: not for anything else.

pidfile = "prosody.pid"
data_path = "."
log = { info = "*console" }
plugin_paths = {}
certificates = "."
interfaces = { "127.0.0.1" }
c2s_ports = { 5222 }
c2s_direct_tls_ports = {}
http_interfaces = { "127.0.0.1" }
http_ports = { 5280 }
https_ports = {}
run_as_root = true -- heeded only where it is started by root, as in a container
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"

modules_enabled = {
	"disco", "roster", "saslauth", "presence", "message", "iq", "ping", "posix", "carbons",
	"mam", -- the archive, from which nothing is missed
	"smacks", -- acknowledgements
}
modules_disabled = { "s2s" }
archive_expires_after = "never"

VirtualHost "localhost"

Component "upload.localhost" "http_file_share" -- agents' files
	http_host = "127.0.0.1"
