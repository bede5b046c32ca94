use bytes::Bytes;

use super::*;
use crate::limits;
use crate::time::Duration;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const URI: &str = "sip:clinic.example";

struct Door {
    authority: Authority,
    users: BTreeMap<OperatorName, Credentials>,
    rng: Rng,
    now: Instant,
}

impl Door {
    fn new() -> Self {
        let mut rng = Rng::new([3; 32]);
        let secret = Secret::new(&mut rng);
        let olena = Credentials::from_password("olena", "clinic.example", "correct horse");
        Self {
            authority: Authority::new(
                "clinic.example",
                &[Algorithm::Sha256, Algorithm::Md5],
                secret,
            ),
            users: [(OperatorName::from("olena"), olena)].into(),
            rng,
            now: Instant::from_nanos(1_000_000_000),
        }
    }

    fn nonce(&mut self) -> String {
        let value = self
            .authority
            .challenges(self.now, &mut self.rng, false)
            .remove(0);
        let challenge = header::Credentials::parse(&Bytes::from(value)).unwrap();
        challenge.get("nonce").unwrap().to_owned()
    }

    /// What a phone would send.
    fn answer(
        &self,
        user: &str,
        password: &str,
        nonce: &str,
        nc: Option<u32>,
    ) -> header::Credentials {
        let hashes = Credentials::from_password(user, "clinic.example", password);
        let nc_text = format!("{:08x}", nc.unwrap_or(0));
        let protection = nc.map(|_| Protection {
            nc: &nc_text,
            cnonce: "abc",
            qop: "auth",
        });
        let response = digest::response(
            Algorithm::Md5,
            &hashes.md5,
            nonce,
            protection,
            "REGISTER",
            URI,
        );
        let qop = nc.map_or(String::new(), |_| {
            format!(", qop=auth, nc={nc_text}, cnonce=\"abc\"")
        });
        header::Credentials::parse(&Bytes::from(format!(
            "Digest username=\"{user}\", realm=\"clinic.example\", nonce=\"{nonce}\", uri=\"{URI}\", \
             response=\"{response}\"{qop}"
        )))
        .unwrap()
    }

    fn knock(&mut self, credentials: &header::Credentials, request: &str) -> Verdict {
        let chosen = self.authority.choose([credentials.clone()].into_iter());
        let claim = Claim {
            credentials: chosen.as_ref(),
            method: "REGISTER",
            uri: URI,
            request: [request.as_bytes(), b"1", b"z9hG4bKx"],
            address: HOME,
        };
        self.authority.verify(self.now, &self.users, &claim)
    }
}

fn challenged(stale: bool, failed: bool) -> Verdict {
    Verdict::Challenged { stale, failed }
}

fn olena() -> Verdict {
    Verdict::Accepted(OperatorName::from("olena"))
}

#[test]
fn the_right_password_opens_with_and_without_qop() {
    let mut door = Door::new();
    let nonce = door.nonce();
    let answer = door.answer("olena", "correct horse", &nonce, Some(1));
    assert_eq!(door.knock(&answer, "a"), olena());
    let nonce = door.nonce();
    let answer = door.answer("olena", "correct horse", &nonce, None);
    assert_eq!(door.knock(&answer, "b"), olena());
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut door = Door::new();
    let nonce = door.nonce();
    let wrong = door.answer("olena", "guess", &nonce, Some(1));
    let unknown = door.answer("nobody", "guess", &nonce, Some(1));
    assert_eq!(door.knock(&wrong, "a"), challenged(false, true));
    assert_eq!(door.knock(&unknown, "b"), challenged(false, true));
}

#[test]
fn a_repetition_is_let_in_again_and_a_replay_is_not() {
    let mut door = Door::new();
    let nonce = door.nonce();
    let first = door.answer("olena", "correct horse", &nonce, Some(1));
    assert_eq!(door.knock(&first, "a"), olena());
    assert_eq!(door.knock(&first, "a"), olena());
    assert_eq!(door.knock(&first, "stolen"), challenged(true, false));
    let second = door.answer("olena", "correct horse", &nonce, Some(2));
    assert_eq!(door.knock(&second, "c"), olena());
}

#[test]
fn without_qop_a_nonce_serves_once() {
    let mut door = Door::new();
    let nonce = door.nonce();
    let answer = door.answer("olena", "correct horse", &nonce, None);
    assert_eq!(door.knock(&answer, "a"), olena());
    assert_eq!(door.knock(&answer, "b"), challenged(true, false));
}

#[test]
fn a_stale_nonce_is_no_failure_and_no_oracle() {
    let mut door = Door::new();
    let nonce = door.nonce();
    door.now = door.now + limits::NONCE_LIFE + Duration::from_secs(1);
    for _ in 0..100 {
        let right = door.answer("olena", "correct horse", &nonce, Some(1));
        assert_eq!(door.knock(&right, "a"), challenged(true, false));
        let wrong = door.answer("olena", "guess", &nonce, Some(1));
        assert_eq!(door.knock(&wrong, "a"), challenged(true, false));
        let foreign = door.answer(
            "olena",
            "guess",
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            Some(1),
        );
        assert_eq!(door.knock(&foreign, "a"), challenged(true, false));
    }
}

#[test]
fn twenty_failures_bring_silence_even_for_the_right_password() {
    let mut door = Door::new();
    let nonce = door.nonce();
    for guess in 0..20 {
        let answer = door.answer("olena", &format!("guess {guess}"), &nonce, Some(1));
        assert_eq!(door.knock(&answer, "a"), challenged(false, true));
    }
    let right = door.answer("olena", "correct horse", &nonce, Some(2));
    assert_eq!(door.knock(&right, "a"), Verdict::Silenced);
    door.now = door.now + Duration::from_secs(61);
    assert_eq!(door.knock(&right, "a"), olena());
}

#[test]
fn what_is_not_for_us_is_as_if_it_had_not_come() {
    let mut door = Door::new();
    for text in [
        "NoOneKnowsThisScheme opaque-data=here",
        "Digest realm=\"elsewhere\", username=\"olena\"",
        "Digest realm=\"clinic.example\", algorithm=SHA-512-256, username=\"olena\"",
        "Digest realm=\"clinic.example\", username=\"olena\", nonce=\"x\", uri=\"y\", response=\"z\", qop=auth-int, nc=1, cnonce=\"a\"",
        "Digest realm=\"clinic.example\", username=\"Олена\"",
    ] {
        let given = header::Credentials::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        assert_eq!(door.knock(&given, "a"), challenged(false, false), "{text}");
    }
}

#[test]
fn challenges_come_in_the_order_of_the_settings() {
    let mut door = Door::new();
    let values = door.authority.challenges(door.now, &mut door.rng, true);
    assert!(values[0].contains("algorithm=SHA-256") && values[1].contains("algorithm=MD5"));
    assert!(values.iter().all(|value| value.ends_with("stale=true")));
}
