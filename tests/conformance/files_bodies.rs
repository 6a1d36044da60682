//! The bytes of a body are no commands, whatever R2 has of them.

use r2_tests::carrier::{Carrier, Service};

use crate::{eventually_listed, files, list, sha256, text};

/// A file whose lines are commands.
const BODY: &[u8] = b"DEL kept-file\nLIST\nDEL bodies\nPUT kept-file 0\n";

fn put() -> Vec<u8> {
    format!("PUT bodies {} {}\n", BODY.len(), sha256(BODY)).into_bytes()
}

fn stored() -> String {
    format!("STORED bodies {} {}\n", BODY.len(), sha256(BODY))
}

fn begin(r2: &mut impl Carrier) {
    files(r2, b"PUT kept-file 4\nkept");
}

fn end(r2: &mut impl Carrier) {
    let listed = list(r2);
    for (name, bytes) in [("kept-file", &b"kept"[..]), ("bodies", BODY)] {
        let line = format!("{name} {} {}", bytes.len(), sha256(bytes));
        assert!(listed.contains(&line), "no {line} in {listed:?}");
        files(r2, format!("DEL {name}").as_bytes());
    }
}

pub(crate) fn the_same_file_may_be_sent_again_without_waiting(r2: &mut impl Carrier) {
    begin(r2);
    let said = [&put(), BODY].concat();
    assert_eq!(text(files(r2, &said)), format!("SEND 0\n{}", stored()));
    let again = [&said[..], b"\nGET kept-file 4\n"].concat();
    assert_eq!(
        text(files(r2, &again)),
        format!(
            "SEND {}\n{}FILE kept-file 4 {}\n",
            BODY.len() - 1,
            stored(),
            sha256(b"kept")
        )
    );
    // Nobody waits for SEND, and the body comes late.
    let peer = r2.connect(Service::Files);
    r2.send(peer, &put());
    assert_eq!(r2.line(peer), format!("SEND {}\n", BODY.len() - 1));
    r2.send(peer, &BODY[..20]);
    r2.send(peer, &BODY[20..]);
    assert_eq!(r2.line(peer), stored());
    r2.send(peer, b"GET kept-file 4\n");
    assert_eq!(r2.line(peer), format!("FILE kept-file 4 {}\n", sha256(b"kept")));
    r2.half_close(peer);
    r2.read_to_end(peer);
    end(r2);
}

pub(crate) fn a_file_of_which_a_part_is_there_may_be_sent_whole(r2: &mut impl Carrier) {
    begin(r2);
    files(r2, &[&put(), &BODY[..21]].concat());
    eventually_listed(r2, &format!("bodies.partial 21 {}", sha256(&BODY[..21])));
    let said = [&put()[..], BODY, b"GET kept-file 4\n"].concat();
    assert_eq!(
        text(files(r2, &said)),
        format!("SEND 20\n{}FILE kept-file 4 {}\n", stored(), sha256(b"kept"))
    );
    end(r2);
}

pub(crate) fn a_peer_that_resumes_is_asked_for_the_rest_alone(r2: &mut impl Carrier) {
    begin(r2);
    files(r2, &[&put(), &BODY[..21]].concat());
    eventually_listed(r2, &format!("bodies.partial 21 {}", sha256(&BODY[..21])));
    let line = text(put()).replace('\n', " resume\n");
    let peer = r2.connect(Service::Files);
    r2.send(peer, line.as_bytes());
    assert_eq!(r2.line(peer), "SEND 21\n");
    r2.send(peer, &BODY[21..]);
    assert_eq!(r2.line(peer), stored());
    r2.half_close(peer);
    r2.read_to_end(peer);
    // One that does not wait after all is heard to its end, and nothing of it is carried out.
    let said = [line.as_bytes(), BODY].concat();
    let answers = format!("SEND {}\n{}", BODY.len(), stored());
    assert_eq!(text(files(r2, &said)), answers);
    end(r2);
}
