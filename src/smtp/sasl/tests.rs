//! Examples of the RFCs, both sides against each other, and servers and clients that say anything.

use proptest::prelude::*;

use super::*;

fn credentials(user: &str, secret: &str) -> Credentials {
    Credentials { user: user.to_owned(), secret: Secret::new(secret) }
}

fn client(mechanism: Mechanism, user: &str, secret: &str, nonce: &str) -> Client {
    let peer = Peer { host: Some("server.example.com"), port: Some(143), ..Peer::default() };
    Client::new(mechanism, credentials(user, secret), &peer, nonce.to_owned()).unwrap()
}

/// Plays the server's messages against the client's, as text.
#[track_caller]
fn check(mut client: Client, first: Option<&str>, rounds: &[(&str, &str)]) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert_eq!(client.initial().map(text).as_deref(), first);
    for (challenge, response) in rounds {
        let got = client.step(challenge.as_bytes(), &mut KeyCache::default());
        assert_eq!(got.map(text).as_deref(), Ok(*response), "{challenge}");
    }
    assert_eq!(client.finish(), Ok(()));
}

#[test]
fn plain_as_rfc_4616_has_it() {
    let tim = client(Mechanism::Plain, "tim", "tanstaaftanstaaf", "");
    check(tim, Some("\0tim\0tanstaaftanstaaf"), &[]);
}

#[test]
fn cram_md5_as_rfc_2195_has_it() {
    let tim = client(Mechanism::CramMd5, "tim", "tanstaaftanstaaf", "");
    check(
        tim,
        None,
        &[("<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890")],
    );
}

#[test]
fn login_answers_two_prompts_in_whatever_words() {
    let tim = client(Mechanism::Login, "tim", "tanstaaf", "");
    check(tim, None, &[("User Name\0", "tim"), ("", "tanstaaf")]);
}

#[test]
fn scram_sha_1_as_rfc_5802_has_it() {
    let user = client(Mechanism::ScramSha1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
    check(
        user,
        Some("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
        &[
            (
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            ),
            ("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", ""),
        ],
    );
}

const SHA_256_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

#[test]
fn scram_sha_256_as_rfc_7677_has_it() {
    let user = client(Mechanism::ScramSha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    check(
        user,
        Some("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
        &[
            (
                SHA_256_FIRST,
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                 p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            ),
            ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""),
        ],
    );
}

#[test]
fn oauthbearer_as_rfc_7628_has_it() {
    let mut user = client(
        Mechanism::OauthBearer,
        "user@example.com",
        "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        "",
    );
    let first = encode(&user.initial().unwrap());
    assert_eq!(
        first,
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRm\
         dDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    );
    let error = decode(b"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=").unwrap();
    assert_eq!(user.step(&error, &mut KeyCache::default()), Ok(b"\x01".to_vec()));
    assert_eq!(user.step(&error, &mut KeyCache::default()), Err(ClientFault::Surplus));
}

#[test]
fn xoauth2_answers_an_error_with_nothing() {
    let user = client(Mechanism::XOauth2, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3", "");
    check(
        user,
        Some("user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3\x01\x01"),
        &[("{\"status\":\"401\"}", "")],
    );
}

#[test]
fn a_server_that_lies_is_found_out() {
    #[track_caller]
    fn check(server_first: &str, want: ClientFault) {
        let mut user = client(Mechanism::ScramSha256, "user", "pencil", "nonce");
        user.initial();
        let got = user.step(server_first.as_bytes(), &mut KeyCache::default());
        assert_eq!(got, Err(want), "{server_first}");
        assert_eq!(user.finish(), Err(ClientFault::Unproven));
    }
    let malformed = ClientFault::Malformed;
    check("r=other,s=QUJD,i=4096", ClientFault::Nonce);
    check("r=nonce,s=QUJD,i=4096", ClientFault::Nonce);
    check("r=nonce2,s=QUJD,i=0", ClientFault::Iterations(0));
    check("r=nonce2,s=QUJD,i=4000000000", ClientFault::Iterations(4_000_000_000));
    check("r=nonce2,s=QUJD,i=99999999999999999999999", ClientFault::Iterations(u64::MAX));
    check("r=nonce2,s=QUJD,i=1000001", ClientFault::Iterations(1_000_001));
    check("r=nonce2,s=QUJD,i=-1", malformed("without an iteration count"));
    check("r=nonce2,s=QUJD,i=", malformed("without an iteration count"));
    check("r=nonce2,s=QUJD", malformed("without an iteration count"));
    check("r=nonce2,s=*,i=1", malformed("without a salt in base64"));
    check("s=QUJD,i=1", malformed("without a nonce"));
    check(
        "m=x,r=nonce2,s=QUJD,i=1",
        malformed("with a mandatory extension that is not known here"),
    );
    check("", malformed("without a nonce"));
}

#[test]
fn a_wrong_signature_or_none_is_no_success() {
    let begun = || {
        let mut user = client(Mechanism::ScramSha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        user.initial();
        user.step(SHA_256_FIRST.as_bytes(), &mut KeyCache::default()).unwrap();
        user
    };
    let mut keys = KeyCache::default();
    let mut user = begun();
    assert_eq!(user.finish(), Err(ClientFault::Unproven));
    assert_eq!(
        user.step(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", &mut keys),
        Err(ClientFault::Signature)
    );
    assert_eq!(user.finish(), Err(ClientFault::Unproven));
    assert_eq!(begun().step(b"v=*", &mut keys), Err(ClientFault::Signature));
    assert!(matches!(begun().step(b"", &mut keys), Err(ClientFault::Malformed(_))));
    let mut user = begun();
    assert_eq!(user.step(b"e=invalid-proof", &mut keys), Ok(Vec::new()));
    assert_eq!(user.finish(), Err(ClientFault::Unproven));
    assert_eq!(user.step(b"", &mut keys), Err(ClientFault::Surplus));
}

fn binding(kind: BindingKind) -> ChannelBinding {
    ChannelBinding { kind, data: vec![7; 32].into() }
}

#[test]
fn gs2_flags_say_what_could_be_bound() {
    #[track_caller]
    fn check(mechanism: Mechanism, bindings: &[ChannelBinding], offered: &[Mechanism], want: &str) {
        let peer = Peer { bindings, offered: offered.iter().copied().collect(), ..Peer::default() };
        let client = Client::new(mechanism, credentials("u,=s", "p"), &peer, "n".to_owned());
        let first = client.map(|mut client| String::from_utf8(client.initial().unwrap()).unwrap());
        let got = first.unwrap_or_else(|error| error.to_string());
        assert_eq!(got, want);
    }
    use Mechanism::{ScramSha1, ScramSha1Plus, ScramSha256, ScramSha256Plus};
    let exporter = [binding(BindingKind::TlsExporter)];
    let end_point = [binding(BindingKind::TlsServerEndPoint)];
    check(ScramSha1, &[], &[ScramSha1, ScramSha1Plus], "n,,n=u=2C=3Ds,r=n");
    check(ScramSha256, &exporter, &[ScramSha256], "y,,n=u=2C=3Ds,r=n");
    // Of the other hash: not the one that is meant.
    check(ScramSha256, &exporter, &[ScramSha256, ScramSha1Plus], "y,,n=u=2C=3Ds,r=n");
    check(ScramSha256, &exporter, &[ScramSha256, ScramSha256Plus], "n,,n=u=2C=3Ds,r=n");
    check(ScramSha256Plus, &exporter, &[ScramSha256Plus], "p=tls-exporter,,n=u=2C=3Ds,r=n");
    check(ScramSha1Plus, &end_point, &[], "p=tls-server-end-point,,n=u=2C=3Ds,r=n");
    check(ScramSha1Plus, &[], &[], "SCRAM-SHA-1-PLUS needs TLS with a channel binding");
}

fn users() -> Users {
    Users::new([
        ("tim".to_owned(), Secret::new("tanstaaf")),
        ("a,b=c d".to_owned(), Secret::new("x y:z")),
        // U+00AA becomes `a`, U+00AD nothing (RFC 4013 section 3).
        ("\u{aa}".to_owned(), Secret::new("I\u{ad}X")),
    ])
}

/// Plays both sides; the last verdict, and whether the client believes it.
fn login(
    mechanism: Mechanism,
    user: &str,
    secret: &str,
    (ours, theirs): (&[ChannelBinding], &[ChannelBinding]),
    initial: bool,
) -> (Verdict, Result<(), ClientFault>) {
    let offered = [mechanism].into_iter().chain(mechanism.bound().filter(|_| !theirs.is_empty()));
    let peer = Peer { bindings: ours, offered: offered.collect(), ..Peer::default() };
    let mut client =
        Client::new(mechanism, credentials(user, secret), &peer, fresh_nonce()).unwrap();
    let mut server = Server::new(mechanism, fresh_nonce(), theirs);
    let (users, mut keys) = (users(), KeyCache::default());
    let mut verdict = match initial.then(|| client.initial()).flatten() {
        Some(first) => server.step(&first, &users),
        None => Verdict::Challenge(server.first_challenge()),
    };
    for _ in 0..5 {
        let Verdict::Challenge(challenge) = &verdict else { break };
        match client.step(challenge, &mut keys) {
            Ok(response) => verdict = server.step(&response, &users),
            Err(fault) => return (verdict, Err(fault)),
        }
    }
    (verdict, client.finish())
}

#[test]
fn both_sides_agree_in_every_mechanism() {
    let bound = [binding(BindingKind::TlsServerEndPoint)];
    for mechanism in Mechanism::ALL {
        let channel: (&[_], &[_]) = if mechanism.binds() { (&bound, &bound) } else { (&[], &[]) };
        for initial in [true, false] {
            for (user, secret) in [("tim", "tanstaaf"), ("a,b=c d", "x y:z")] {
                let got = login(mechanism, user, secret, channel, initial);
                assert_eq!(got, (Verdict::Accepted, Ok(())), "{mechanism} {user} {initial}");
            }
            for (user, secret) in [("tim", "Tanstaaf"), ("tom", "tanstaaf"), ("tim", "tanstaaf ")] {
                let got = login(mechanism, user, secret, channel, initial);
                assert_eq!(got.0, Verdict::Refused, "{mechanism} {user} {secret}");
            }
        }
    }
}

#[test]
fn scram_prepares_names_and_passwords() {
    for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256] {
        let got = login(mechanism, "a", "IX", (&[], &[]), true);
        assert_eq!(got, (Verdict::Accepted, Ok(())));
        for (user, secret) in [("\u{7}", "x"), ("x", "\u{ad}"), ("", "x")] {
            let client =
                Client::new(mechanism, credentials(user, secret), &Peer::default(), "n".to_owned());
            assert!(client.is_err(), "{user:?} {secret:?}");
        }
    }
}

#[test]
fn a_channel_between_others_is_refused() {
    let plus = Mechanism::ScramSha256Plus;
    let other = [ChannelBinding { kind: BindingKind::TlsExporter, data: vec![8; 32].into() }];
    let exporter = [binding(BindingKind::TlsExporter)];
    let end_point = [binding(BindingKind::TlsServerEndPoint)];
    let good = ("tim", "tanstaaf");
    let refused = |ours: &[_], theirs: &[_], mechanism| {
        login(mechanism, good.0, good.1, (ours, theirs), true).0 == Verdict::Refused
    };
    assert!(!refused(&exporter, &exporter, plus));
    // A man in the middle: each side has a channel of its own.
    assert!(refused(&exporter, &other, plus));
    assert!(refused(&exporter, &end_point, plus));
    assert!(refused(&exporter, &[], plus));
    // The -PLUS offer was taken away: the client says so, and the server knows that it made one.
    let peer = Peer { bindings: &exporter, ..Peer::default() };
    let mechanism = Mechanism::ScramSha256;
    let mut client =
        Client::new(mechanism, credentials("tim", "tanstaaf"), &peer, fresh_nonce()).unwrap();
    let first = client.initial().unwrap();
    let server = |bindings: &[_]| Server::new(mechanism, fresh_nonce(), bindings);
    assert_eq!(server(&exporter).step(&first, &users()), Verdict::Refused);
    assert!(matches!(server(&[]).step(&first, &users()), Verdict::Challenge(_)));
}

#[test]
fn separators_are_not_smuggled_in() {
    let refused = |mechanism, user, secret| {
        Client::new(mechanism, credentials(user, secret), &Peer::default(), String::new()).is_err()
    };
    assert!(refused(Mechanism::Plain, "a\0b", "x"));
    assert!(refused(Mechanism::Plain, "a", "x\0"));
    assert!(refused(Mechanism::XOauth2, "a", "x\x01"));
    assert!(refused(Mechanism::OauthBearer, "a\x01", "x"));
    assert!(!refused(Mechanism::Login, "a\x01", "x"));
}

#[test]
fn keys_are_derived_once_a_user_and_salt() {
    let mut keys = KeyCache::default();
    let mut log_in = |user: &str, nonce: &str, salt: &str| {
        let mut client = client(Mechanism::ScramSha1, user, "pencil", nonce);
        client.initial();
        let first = format!("r={nonce}x,s={salt},i=10");
        client.step(first.as_bytes(), &mut keys).unwrap();
        keys.len()
    };
    assert_eq!(log_in("a", "1", "QUJD"), 1);
    assert_eq!(log_in("a", "2", "QUJD"), 1);
    assert_eq!(log_in("b", "3", "QUJD"), 2);
    assert_eq!(log_in("a", "4", "QUJE"), 3);
}

#[test]
fn nonces_differ_and_hold_no_comma() {
    let nonces: std::collections::HashSet<String> = (0..1000).map(|_| fresh_nonce()).collect();
    assert_eq!(nonces.len(), 1000);
    assert!(nonces.iter().all(|nonce| nonce.len() == 48 && !nonce.contains(',')));
}

#[test]
fn secrets_do_not_print() {
    for mechanism in Mechanism::ALL.into_iter().filter(|mechanism| !mechanism.binds()) {
        let mut client = client(mechanism, "tim", "tanstaaf", "nonce");
        let _ = client.initial();
        let shown = format!("{client:?} {:#?}", credentials("tim", "tanstaaf"));
        assert!(!shown.contains("tanstaaf"), "{shown}");
    }
    let users = users();
    users.find("tim").unwrap().verifier(super::hash::Hash::Sha1);
    assert!(!format!("{users:?}").contains("tanstaaf"));
}

#[test]
fn names_of_mechanisms_are_read_in_any_case() {
    for mechanism in Mechanism::ALL {
        let name = mechanism.name().to_ascii_lowercase();
        assert_eq!(Mechanism::from_name(name.as_bytes()), Some(mechanism));
    }
    assert_eq!(Mechanism::from_name(b"SCRAM-SHA-512"), None);
    let set: Mechanisms = [Mechanism::ScramSha1, Mechanism::Plain].into_iter().collect();
    assert_eq!(set.to_string(), "PLAIN SCRAM-SHA-1");
}

proptest! {
    #[test]
    fn no_challenge_panics(
        which in 0..Mechanism::ALL.len(),
        challenges in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[rsimveced]=[A-Za-z0-9+/=]{0,8},?([rsimvep]=[a-z0-9=]{0,6},?){0,4}"
                    .prop_map(String::into_bytes),
                "r=nonce[a-z]{0,3},s=[A-Za-z0-9+/]{4},i=[0-9]{1,2}".prop_map(String::into_bytes),
            ],
            0..5,
        ),
        initial in any::<bool>(),
    ) {
        let bindings = [binding(BindingKind::TlsExporter)];
        let peer = Peer { bindings: &bindings, ..Peer::default() };
        let credentials = credentials("tim", "tanstaaf");
        let mut client =
            Client::new(Mechanism::ALL[which], credentials, &peer, "nonce".to_owned()).unwrap();
        if initial {
            client.initial();
        }
        for challenge in &challenges {
            let _ = client.step(challenge, &mut KeyCache::default());
        }
        if matches!(client.mechanism(), Mechanism::ScramSha1 | Mechanism::ScramSha256) {
            prop_assert_eq!(client.finish(), Err(ClientFault::Unproven));
        }
    }

    #[test]
    fn no_response_panics_or_gets_in(
        which in 0..Mechanism::ALL.len(),
        responses in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "[nyp][=,]{0,3}(a=)?[tim,=]{0,4},n=tim,r=[a-z]{0,5}".prop_map(String::into_bytes),
                "c=biws,r=[a-z]{0,5},p=[A-Za-z0-9+/=]{0,30}".prop_map(String::into_bytes),
                "(n,a=|user=)tim,?\x01auth=Bearer [a-z]{0,5}\x01\x01".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let bindings = [binding(BindingKind::TlsExporter)];
        let users = users();
        let mut server = Server::new(Mechanism::ALL[which], "x".to_owned(), &bindings);
        for response in &responses {
            prop_assert_ne!(server.step(response, &users), Verdict::Accepted);
        }
    }
}
