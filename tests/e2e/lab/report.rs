//! `hostapp lab report`: what it says is in the captures beside it.

use std::fs;
use std::path::Path;

use r2_sim::payload;
use r2_tests::lab::hostapp;
use r2_tests::namespace::Namespace;

use super::capture::{segments, tshark};

/// The number behind each of these words in the page.
fn numbers_behind<'p>(page: &'p str, words: &'p str) -> impl Iterator<Item = u64> + 'p {
    page.split(words).skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

/// The frames that `section` names are in its capture.
fn names_frames_of_its_capture(section: &str, name: &str, folder: &Path) {
    assert!(
        section.contains(&format!("{name}.pcap, beside this report")),
        "{name}"
    );
    let capture = folder.join(format!("{name}.pcap"));
    let frames: Vec<u64> = tshark(&capture, "frame", &["frame.number"])
        .iter()
        .map(|cells| cells[0].parse().unwrap())
        .collect();
    let named: Vec<_> = numbers_behind(section, "frame ")
        .chain(numbers_behind(section, "frames "))
        .collect();
    assert!(
        !named.is_empty() && named.iter().all(|number| frames.contains(number)),
        "{name}: {named:?}"
    );
}

/// What the report tells of part 3 is what is in its capture.
fn is_the_journey(section: &str, folder: &Path) {
    let segments = segments(&folder.join("journey.pcap"));
    let upload = segments.iter().map(|(_, segment)| segment);
    let upload = upload.filter(|segment| !segment.from_r2 && segment.payload.len() > 100);
    let file: Vec<u8> = upload.flat_map(|segment| segment.payload.clone()).collect();
    let receipt = format!(
        "stored drop-0001 {} bytes sha256 {}",
        file.len(),
        payload::sha256(&file[..])
    );
    assert!(section.contains(&receipt), "{receipt}");
    let syns: Vec<_> = numbers_behind(section, "KALI's SYN (frame ").collect();
    assert_eq!(syns.len(), 2, "a question, a file");
    for number in syns {
        let found = segments.iter().find(|(_, segment)| segment.number == number);
        assert!(
            found.is_some_and(|(_, segment)| segment.syn && !segment.from_r2),
            "frame {number}"
        );
    }
}

/// The table of 4a is what Wireshark lists, as far as the first sentence of its last column.
fn is_listed_as_by_wireshark(section: &str, folder: &Path) {
    let (_, table) = section.rsplit_once("<tbody>").unwrap();
    let listed: Vec<Vec<String>> = table
        .split("<tr>")
        .skip(1)
        .map(|row| {
            let cells = row.split("</td>").filter_map(|cell| cell.rsplit_once('>'));
            cells
                .map(|(_, text)| text.to_owned())
                .filter(|text| !text.trim().is_empty())
                .collect()
        })
        .collect();
    let port = listed[0][6].split(' ').next().unwrap();
    let columns = [
        "No.",
        "Time",
        "Source",
        "Destination",
        "Protocol",
        "Length",
        "Info",
    ];
    let columns = columns.map(|column| format!("_ws.col.{column}"));
    let fields: Vec<_> = columns.iter().map(String::as_str).collect();
    let filter = format!("tcp.port == {port}");
    let shown = tshark(&folder.join("ports.pcap"), &filter, &fields);
    assert_eq!(listed.len(), shown.len(), "{listed:?} {shown:?}");
    for (ours, theirs) in listed.iter().zip(&shown) {
        assert_eq!(ours[..4], theirs[..4]);
        assert_eq!(ours[5], theirs[5]);
        // With IPSICTL in the way its last column is of that.
        if theirs[4] == "TCP" {
            let info = ours[6].split(" MSS").next().unwrap();
            assert!(theirs[6].starts_with(info), "{} is not {}", ours[6], theirs[6]);
        }
    }
}

#[test]
fn the_report_is_of_its_own_run() {
    let (namespace, folder) = (Namespace::new(), tempfile::tempdir().unwrap());
    let line = format!(
        "exec {} lab report --link tap:tap0 --output {}",
        hostapp().display(),
        folder.path().display()
    );
    let ended = namespace.start(&line).finish();
    assert!(ended.status.success(), "{ended:?}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let paper = fs::read(folder.path().join("report.pdf")).unwrap();
    assert!(paper.starts_with(b"%PDF-") && paper.trim_ascii_end().ends_with(b"%%EOF"));
    let sections: Vec<_> = page.split("<section ").skip(1).collect();
    for (section, question) in sections
        .iter()
        .zip(["Parts 1 to 3", "4a", "4b", "4c", "4e", "4f", "4g"])
    {
        assert!(section.contains(&format!("<h2>{question}")), "{question}");
    }
    for (section, name) in [
        (1, "ports"),
        (2, "journey"),
        (4, "rtt"),
        (5, "nagle"),
        (6, "delayed-ack"),
    ] {
        names_frames_of_its_capture(sections[section], name, folder.path());
    }
    is_the_journey(sections[2], folder.path());
    is_listed_as_by_wireshark(sections[1], folder.path());
}
