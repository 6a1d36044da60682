//! What broke goes on.

use r2_tests::carrier::{Carrier, Service};

use crate::{eventually_listed, files, payload, sha256, text};

pub(crate) fn an_upload_goes_on_where_it_broke(r2: &mut impl Carrier) {
    let bytes = payload(5000);
    let put = format!("PUT resumed 5000 {}\n", sha256(&bytes));
    let peer = r2.connect(Service::Files);
    r2.send(peer, put.as_bytes());
    assert_eq!(r2.line(peer), "SEND 0\n");
    r2.send(peer, &bytes[..3000]);
    r2.half_close(peer);
    assert_eq!(
        r2.line(peer),
        "ERROR bad-request the file ended 2000 bytes too early\n"
    );
    eventually_listed(r2, &format!("resumed.partial 3000 {}", sha256(&bytes[..3000])));

    let peer = r2.connect(Service::Files);
    r2.send(peer, put.as_bytes());
    // The last byte that is not like the first, so that the whole file could be told from the rest.
    let other = bytes[..3000].iter().rposition(|byte| *byte != bytes[0]);
    let from = other.expect("no bytes that are all the same");
    assert_eq!(r2.line(peer), format!("SEND {from}\n"));
    r2.send(peer, &bytes[from..]);
    let stored = format!("STORED resumed 5000 {}\n", sha256(&bytes));
    assert_eq!(r2.line(peer), stored);
    assert_eq!(text(files(r2, put.as_bytes())), format!("SEND 5000\n{stored}"));
    files(r2, b"DEL resumed");
}

pub(crate) fn a_download_goes_on_where_it_broke(r2: &mut impl Carrier) {
    let bytes = payload(5000);
    let sha = sha256(&bytes);
    let mut said = b"PUT again 5000\n".to_vec();
    said.extend(&bytes);
    files(r2, &said);
    let mut expected = format!("FILE again 5000 {sha}\n").into_bytes();
    expected.extend(&bytes[4999..]);
    assert_eq!(files(r2, b"GET again 4999"), expected);
    assert_eq!(
        text(files(r2, b"GET again 5000")),
        format!("FILE again 5000 {sha}\n")
    );
    assert!(text(files(r2, b"GET again 5001")).starts_with("ERROR bad-request "));
    files(r2, b"DEL again");
}
