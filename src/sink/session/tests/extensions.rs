//! Extensions as a client uses them, and LIMITS as the sink announces and holds to them.

use super::*;
use crate::smtp::capabilities::Limits;

#[test]
fn every_parameter_that_is_announced_is_taken() {
    check(&format!(
        "{HELLO}
         C: MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=x+2By HOLDFOR=60 MT-PRIORITY=-3
         S: 250 2.1.0 sender ok
         C: RCPT TO:<ö@b> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{{F6}}@b
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<c@b> NOTIFY=SOMETIMES
         S: 501 5.5.4 syntax error in arguments
         C: RCPT TO:<c@b> RET=FULL
         S: 555 5.5.4 parameter not recognized"
    ));
}

#[test]
fn binary_mail_comes_by_bdat() {
    let played = check(&format!(
        "{HELLO}
         C: MAIL FROM:<a@b> BODY=BINARYMIME
         S: 250 2.1.0 sender ok
         C: RCPT TO:<c@b>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 503 5.6.1 binary mail comes by BDAT
         C: BDAT 0 LAST
         S: 250 2.0.0 message taken
         C: MAIL FROM:<a@b>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<c@b>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the mail data, end it with CRLF.CRLF
         C: .
         S: 250 2.0.0 message taken"
    ));
    assert_eq!(played.counts.messages, 2);
}

fn limited(mail_max: u32, rcpt_max: u32, rcpt_domain_max: u32) -> Behavior {
    let limit = std::num::NonZeroU32::new;
    let limits = Limits {
        mail_max: limit(mail_max),
        rcpt_max: limit(rcpt_max),
        rcpt_domain_max: limit(rcpt_domain_max),
    };
    Behavior { limits, ..Behavior::default() }
}

#[test]
fn limits_are_announced_and_held_to() {
    check_with(
        &limited(2, 3, 1),
        "C: EHLO c.test
         S: 250-sink.test
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-SIZE 1073741824
         S: 250-ENHANCEDSTATUSCODES
         S: 250-SMTPUTF8
         S: 250-DSN
         S: 250-BINARYMIME
         S: 250-FUTURERELEASE 999999999 9999-12-31T23:59:59Z
         S: 250-MT-PRIORITY
         S: 250-LIMITS MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=1
         S: 250 CHUNKING
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<a@b.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<a@c.test>
         S: 452 4.5.3 too many domains
         C: RCPT TO:<b@B.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<c@b.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<d@b.test>
         S: 452 4.5.3 too many recipients
         C: RSET
         S: 250 2.0.0 ok
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender ok
         C: RCPT TO:<a@c.test>
         S: 250 2.1.5 recipient ok
         C: RSET
         S: 250 2.0.0 ok
         C: MAIL FROM:<a@b.test>
         S: 452 4.5.3 too many messages in this session",
    );
}

#[test]
fn what_is_announced_is_what_a_client_reads() {
    use crate::smtp::capabilities::Capabilities;
    use crate::smtp::parameters::Extension;
    use crate::smtp::parser::ReplyParser;

    let behavior = limited(0, 7, 0);
    let played = play(&behavior, &[b"EHLO c.test\r\n"]);
    let mut parser = ReplyParser::default();
    let mut output = played.output.as_slice();
    let mut seen = Capabilities::default();
    while let Some(reply) = parser.feed(&mut output).unwrap() {
        seen = Capabilities::from_ehlo(&reply);
    }
    assert_eq!(seen.limits, behavior.limits);
    for extension in Extension::ALL {
        // In clear text everything but REQUIRETLS.
        assert_eq!(seen.offers(extension), extension != Extension::RequireTls, "{extension:?}");
    }
}
