//! Settings files, good and bad.

use super::*;
use crate::dialplan::diagnose::Severity;
use crate::dialplan::secrets::Secrets;

struct Known;

impl Secrets for Known {
    fn env(&self, name: &str) -> Option<String> {
        (name == "CRM_SECRET").then(|| "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())
    }

    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

fn read(text: &str) -> (Option<Settings>, String) {
    let (settings, problems) = Settings::from_text("strowger.yaml", text, &Known, Severity::Error);
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    (settings, lines.join("\n"))
}

fn good(text: &str) -> Settings {
    let (settings, problems) = read(text);
    assert_eq!(problems, "");
    settings.unwrap()
}

#[test]
fn an_empty_file_is_valid_and_only_this_machine_can_reach_the_server() {
    let settings = good("");
    assert!(settings.http.ip().is_loopback());
    assert!(settings.media.listen.is_loopback());
    assert!(
        settings
            .sip
            .listen
            .iter()
            .all(|one| one.address.ip().is_loopback())
    );
    assert_eq!(settings.sip.listen.len(), 2);
    assert_eq!(good("version: 1\n").node, settings.node);
}

#[test]
fn every_word_of_the_example_that_works_is_read() {
    let settings = good(
        r#"
version: 1
node: odesa-1
data: /var/lib/strowger
dialplans: /etc/strowger/dialplans
sip:
  domain: pbx.clinic.example
  listen: ["udp://0.0.0.0:5060", "tcp://[::1]:5060", "tls://0.0.0.0:5061"]
  advertise: 198.51.100.7
  local_nets: [192.168.10.0/24]
  digest: [sha-256, md5]
  tls: { certificate: fullchain.pem, key: privkey.pem, ca: carrier.pem }
media: { listen: 0.0.0.0, advertise: 198.51.100.7, ports: 20000-20999, threads: 2, rtp_timeout: 90s }
http: { listen: "127.0.0.1:9090" }
tts:
  - recorded: prompts
  - command: [espeak-ng, --stdin, -v, "{language}"]
sinks:
  crm: { webhook: "https://crm.clinic.example/hooks", secret: "${env:CRM_SECRET}", types: [call.ended, callback.opened] }
  here: { webhook: "http://127.0.0.1:9/", allow_private: true }
  log: { jsonl: /var/log/strowger/events.jsonl }
store: { sync: full }
retention: { every: 2h, stop_above: 35% }
limits: { calls: 10, calls_per_second: 3, registrations: 7, call_length: 1h, connections: { all: 20, per_address: 8 }, strangers: { rate: 5, burst: 6, trusted: [10.0.0.0/8] } }
log: { level: debug, format: json, numbers: full }
trace: { write: false, keep: 2d, size: 200MiB }
"#,
    );
    let (keep, size) = (Duration::from_secs(2 * 86_400), 200 << 20);
    let trace = Trace {
        write: false,
        keep,
        size,
    };
    assert_eq!(settings.trace, trace);
    assert_eq!(settings.node, "odesa-1");
    assert_eq!(settings.sip.listen[1].transport, Transport::Tcp);
    assert_eq!(settings.sip.listen[2].transport, Transport::Tls);
    let shown = settings.sip.tls.shown.as_ref().unwrap();
    assert_eq!(shown.key, PathBuf::from("privkey.pem"));
    assert_eq!(settings.sip.tls.ca, Some(PathBuf::from("carrier.pem")));
    assert_eq!(settings.limits.connections.per_address, 8);
    assert_eq!(settings.sip.digest, [DigestWord::Sha256, DigestWord::Md5]);
    assert_eq!(settings.media.ports, 20_000..=20_999);
    assert_eq!(settings.media.rtp_timeout, Duration::from_secs(90));
    assert_eq!(settings.http.port(), 9090);
    assert_eq!(settings.tts.len(), 2);
    assert_eq!(settings.sync, Sync::Full);
    assert_eq!(settings.retention.stop_above, 35);
    assert_eq!(settings.limits.strangers.burst, 6);
    assert!(settings.log.full_numbers);
    let names: Vec<_> = settings
        .sinks
        .iter()
        .map(|sink| sink.name.as_str())
        .collect();
    assert_eq!(names, ["crm", "here", "log"]);
    let SinkKind::Webhook { secret, .. } = &settings.sinks[0].kind else {
        panic!("crm is a webhook");
    };
    assert!(secret.as_ref().unwrap().reveal().starts_with("whsec_"));
    assert!(
        !format!("{settings:?}").contains("MfKQ9r8"),
        "secrets are never printed"
    );
    assert_eq!(settings.sinks[0].types.as_ref().unwrap().len(), 2);
}

#[test]
fn who_we_are_at_a_bus_or_a_database_is_read_and_never_printed() {
    let settings = good(
        r#"
sinks:
  bus: { nats: "nats://pbx:s%40cret@10.0.0.7, tls://nats.example:4333", subject: clinic.pbx, stream: CALLS, ca: ca.pem }
  erp: { postgres: "postgres://pbx:geheim@10.0.0.8/calls?sslmode=verify-full", types: call.ended }
"#,
    );
    let SinkKind::Nats { servers, login, .. } = &settings.sinks[0].kind else {
        panic!("bus is a stream of NATS");
    };
    let servers: Vec<_> = servers.iter().map(Url::as_str).collect();
    assert_eq!(servers, ["nats://10.0.0.7:4222", "tls://nats.example:4333"]);
    let Some(Login::User(user, password)) = login else {
        panic!("the address says who we are");
    };
    assert_eq!((user.as_str(), password.reveal()), ("pbx", "s@cret"));
    let SinkKind::Postgres { database, .. } = &settings.sinks[1].kind else {
        panic!("erp is a database");
    };
    assert_eq!(
        database.get_ssl_mode(),
        tokio_postgres::config::SslMode::Require
    );
    for secret in ["s%40cret", "s@cret", "geheim"] {
        assert!(
            !format!("{settings:?}").contains(secret),
            "{secret} is printed"
        );
    }
}

#[test]
fn what_a_bus_or_a_database_cannot_use_is_refused() {
    let (settings, problems) = read(
        r#"
sinks:
  path: { nats: "nats://u:geheim@h/x" }
  http: { nats: "http://h" }
  star: { nats: "nats://h", subject: "a.*", stream: "a b" }
  both: { nats: "nats://u:geheim@h", credentials: a.creds, secret: x }
  base: { postgres: "postgres://u:geheim@h:port/db" }
  word: { postgres: "postgres://u:geheim@h/db?sslrootcert=x" }
  lone: { postgres: "dbname=calls" }
  file: { jsonl: a, ca: b }
"#,
    );
    assert!(settings.is_none());
    for expected in [
        "strowger.yaml:3:17: error: `nats` takes addresses like",
        "strowger.yaml:4:17: error: `nats` takes addresses like",
        "`subject` is of letters",
        "`stream` is of letters",
        "the address says who we are already",
        "`secret` belongs to `webhook`",
        "strowger.yaml:7:21: error: `postgres` takes an address like",
        "strowger.yaml:8:21: error: `postgres` takes an address like",
        "strowger.yaml:9:21: error: the address of `postgres` names no host",
        "`ca` belongs to `nats` or `postgres`",
    ] {
        assert!(problems.contains(expected), "{expected}\n---\n{problems}");
    }
}

#[test]
fn every_problem_is_listed_at_once_with_its_place() {
    let (settings, problems) = read(
        r#"node: "two words"
dialplan: here
sip: { listen: ["tls://0.0.0.0:5061", "udp://127.0.0.1"], digest: md6 }
http: { listen: "0.0.0.0:8080", tokens: [] }
media: { ports: 10-20 }
sinks:
  crm: { webhook: "http://169.254.169.254/", typs: [call.ended] }
  bus: { amqp: "amqp://h" }
  form: { webhook: "https://a.example", template: '{"a": {data.form}}' }
  zone: { cdr_csv: a, timezone: Kiew }
  odd: { queue_log: a, template: "{}" }
  two: { jsonl: a, webhook: "https://a.example" }
  bad: { webhook: "https://a.example", secret: "whsec_!", types: [call.endet] }
  env: { webhook: "https://a.example", secret: "${env:UNSET}" }
retention: { stop_above: 120% }
trace: { keep: 1s, size: 1MiB }
"#,
    );
    assert!(settings.is_none());
    for expected in [
        "strowger.yaml:1:7: error: `node` takes a name",
        "strowger.yaml:2:1: error: unknown key `dialplan` in the settings",
        "did you mean `dialplans`?",
        "strowger.yaml:3:16: error: a `tls` listener has no certificate to show",
        "strowger.yaml:3:39: error: `listen` takes listeners like",
        "`digest` takes md5 or sha-256, not `md6`",
        "strowger.yaml:4:17: error: 0.0.0.0 can be reached from outside",
        "`tokens` names no token",
        "`ports` takes a range of ports",
        "strowger.yaml:7:19: error: the webhook leads to a private or loopback address",
        "unknown key `typs` in `crm`",
        "did you mean `types`?",
        "strowger.yaml:8:10: error: `amqp` is not yet supported",
        "a sink is `jsonl`, `queue_log`, `cdr_csv`, `webhook`, `nats` or `postgres`, not two of them",
        "no event has the field `data.form`",
        "`timezone` takes a zone like Europe/Kyiv",
        "`template` belongs to `webhook`",
        "what follows `whsec_` is no base64",
        "did you mean `call.ended`?",
        "the environment has no `UNSET`",
        "`stop_above` takes per cent",
        "`keep` is from 1h to 30d",
        "`size` is from 16MiB to 1024GiB",
    ] {
        assert!(problems.contains(expected), "{expected}\n---\n{problems}");
    }
}

#[test]
fn listening_everywhere_needs_an_address_to_tell() {
    let (settings, problems) =
        read("sip: { listen: \"udp://0.0.0.0:5060\" }\nmedia: { listen: 0.0.0.0 }\n");
    assert!(settings.is_none());
    assert_eq!(problems.matches("add `advertise`").count(), 2, "{problems}");
}

#[test]
fn a_tls_listener_needs_a_certificate_and_its_key() {
    let said = |text| read(text).1;
    let both = said("sip: { listen: \"tls://127.0.0.1:5061\", tls: { ca: ca.pem } }\n");
    assert!(both.contains("`tls` needs `certificate`"), "{both}");
    assert!(both.contains("`tls` needs `key`"), "{both}");
    let one = said("sip: { tls: { certificate: a.pem } }\n");
    assert!(one.contains("`tls` needs `key`"), "{one}");
    assert_eq!(one.matches("error").count(), 1, "{one}");
    assert_eq!(said("sip: { tls: { ca: ca.pem } }\n"), "");
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let problems = Settings::load(Some("/nowhere/strowger.yaml".as_ref())).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("cannot be read"));
    assert!(Settings::load(None).is_ok());
}

#[test]
fn a_taken_port_and_a_folder_that_cannot_be_written_are_told() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let free = |transport| Listener {
        transport,
        address: SocketAddr::new(LOOPBACK, 0),
    };
    let mut settings = Settings {
        data: folder.path().join("data"),
        dialplans: folder.path().to_owned(),
        http: SocketAddr::new(LOOPBACK, 0),
        ..Settings::default()
    };
    settings.sip.listen = vec![free(Transport::Udp), free(Transport::Tcp)];
    let now = crate::time::Wall::from_millis(0);
    assert_eq!(settings.check(now), Vec::<String>::new());
    settings.sip.listen[0].address = taken.local_addr().unwrap();
    settings.data = file.join("data");
    settings.dialplans = folder.path().join("none");
    let found = settings.check(now);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].contains("stop what listens there or change `sip.listen`"),
        "{found:?}"
    );
    assert!(found[1].contains("change `data`"), "{found:?}");
    assert!(found[2].starts_with("there is no dialplan"), "{found:?}");
}

#[test]
fn files_that_a_sink_needs_are_looked_for() {
    let settings = good(
        "sinks:
  bus: { nats: \"tls://h\", credentials: /nowhere/bus.creds, ca: /nowhere/bus.pem }
  erp: { postgres: \"postgres://h/db\", ca: /nowhere/erp.pem }
",
    );
    let found = settings.check(crate::time::Wall::from_millis(1_790_000_000_000));
    for key in ["sinks.bus.credentials", "sinks.bus.ca", "sinks.erp.ca"] {
        let told = found
            .iter()
            .filter(|sentence| sentence.contains(&format!("set `{key}`")));
        assert_eq!(told.count(), 1, "{key}: {found:?}");
    }
}

#[test]
fn a_key_of_recordings_is_64_hex_digits_and_never_printed() {
    let (new, old) = ("5a".repeat(32), "C3".repeat(32));
    let settings = good(&format!(
        "recordings: {{ format: alaw, key: \"{new}\", old_keys: [\"{old}\"] }}"
    ));
    let vault = &settings.recordings;
    let id = |text: &str| crate::server::media::MasterKey::read(text).map(|key| key.id());
    assert_eq!(vault.key.as_ref().map(|key| key.id()), id(&new));
    let old_keys: Vec<_> = vault.old_keys.iter().map(|key| Some(key.id())).collect();
    assert_eq!(old_keys, [id(&old)]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains(&new) && !shown.contains(&old), "{shown}");

    for bad in [
        "geheim",
        &"5a".repeat(31),
        &"5g".repeat(32),
        &"5a".repeat(33),
    ] {
        for name in ["key", "old_keys"] {
            let text = format!("recordings: {{ {name}: \"{bad}\" }}");
            let (settings, problems) = read(&text);
            assert!(settings.is_none(), "{text}");
            let expected = format!("a key in `{name}` is not 64 hex digits");
            assert!(problems.contains(&expected), "{problems}");
            assert!(!problems.contains(bad), "{problems}");
        }
    }
    let (settings, problems) = read("recordings: { key: \"${env:UNSET}\", keys: x }");
    assert!(settings.is_none());
    assert!(
        problems.contains("UNSET") && !problems.contains("64 hex"),
        "{problems}"
    );
    assert!(problems.contains("unknown key `keys`"), "{problems}");
}
