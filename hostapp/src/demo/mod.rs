//! `hostapp demo`: the three parts of the lab in one process, told as a transcript.

mod kali;
mod r2;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use r2_core::hex::Hex;
use r2_lab::{Played, SentFile};
use sha2::{Digest as _, Sha256};

use self::kali::{Netcat, ask_by_datagram};
use self::r2::Running;
use crate::stdio::say;

/// How long each step waits for what it should see: far longer than it takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Bytes of the file that KALI sends.
const FILE: usize = 1024 * 1024;

/// Plays the lab and prints what happens; what it returns is the exit status of the program.
pub fn run() -> ExitCode {
    let mut out = io::stdout().lock();
    match play(&mut out).and_then(|_| out.write_all(END.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!(
                "hostapp: the demo stopped: {error}; hostapp -v demo says more"
            ));
            ExitCode::FAILURE
        }
    }
}

/// Plays the lab, and tells `out` what happens; what came of it.
pub(crate) fn play(out: &mut impl Write) -> io::Result<Played> {
    out.write_all(BEGINNING.as_bytes())?;
    let store = tempfile::TempDir::with_prefix("r2-demo-")?;
    let mut r2 = Running::start(store.path())?;
    let mut played = Played::default();
    chat(&mut r2, out, &mut played)?;
    secret(&r2, out, &mut played)?;
    played.file = letter(&r2, store.path(), out)?;
    file(&r2, store.path(), out)?;
    r2.stop();
    Ok(played)
}

const BEGINNING: &str = "\
# R2 is a server with its own TCP/IP stack. Here it runs in memory: R2's node, a virtual Ethernet wire and a gateway
# to this machine's sockets are all in this process. KALI is an ordinary client; what she does, netcat does.
";

const END: &str = "
# Try next:
#   hostapp serve                           R2 for every netcat on this machine; it prints the line for each service
#   nc 127.0.0.1 5000                       chat with it from another terminal; /help lists the commands
#   hostapp send 127.0.0.1 FILE             send a file that resumes where it was broken off
#   sudo tap-setup/tap-setup up             then hostapp serve gives R2 an IP address of its own: 192.168.69.1
";

fn chat(r2: &mut Running, out: &mut impl Write, played: &mut Played) -> io::Result<()> {
    writeln!(
        out,
        "\n# Part 1: a chat. R2 labels every line with its sender, so nobody can speak as somebody else.\n"
    )?;
    let mut kali = Netcat::connect(r2.at(5000))?;
    r2.sees("* KALI joined\n")?;
    for (who, line) in [
        ("R2", "Hi, my name is R2"),
        ("KALI", "Hi R2, my name is KALI. Nice to meet you."),
        ("KALI", "R2: I am R2, honestly"),
    ] {
        writeln!(out, "{who:<4} types   {line}")?;
        if who == "R2" {
            r2.types(line);
        } else {
            kali.types(line)?;
        }
        let labelled = format!("{who}: {line}\n");
        kali.sees(&labelled)?;
        r2.sees(&labelled)?;
    }
    played.kali = kali.finish()?;
    writeln!(
        out,
        "\n# KALI's screen, which is that of `nc 127.0.0.1 5000`:\n\n{}",
        played.kali
    )?;
    r2.sees("* KALI left\n")?;
    r2.screen().clone_into(&mut played.r2);
    writeln!(out, "# R2's screen:\n\n{}", played.r2)
}

fn secret(r2: &Running, out: &mut impl Write, played: &mut Played) -> io::Result<()> {
    writeln!(
        out,
        "# Part 2: a secret code. If a string contains the word SECRET, R2 answers with its digits and their number.\n"
    )?;
    for string in [
        "sfdsd Ted is cool23432",
        "Ted is SECRET cool",
        "123Ted 32is 343SECRET cool",
    ] {
        let answer = Netcat::run(r2.at(5010), format!("{string}\n").as_bytes())?;
        let answer = answer.trim_end();
        writeln!(out, "$ echo '{string}' | nc -N 127.0.0.1 5010\n{answer}")?;
        played.secrets.push([string.into(), answer.into()]);
    }
    let string = "R2D2 has a SECRET too";
    let answer = ask_by_datagram(r2.udp_at(5010), string)?;
    writeln!(
        out,
        "$ printf '{string}' | nc -u -W 1 127.0.0.1 5010\n{}",
        answer.trim_end()
    )
}

/// A small file of text, so that one sees it whole on both sides.
const LETTER: &str =
    "Dear R2,\n\nplease keep this letter as it is: every byte, and these two  spaces.\n\nKALI\n";

fn letter(r2: &Running, store: &Path, out: &mut impl Write) -> io::Result<SentFile> {
    writeln!(
        out,
        "\n# Part 3: a file, byte for byte. R2 answers when it is on the disk, with its SHA-256.\n"
    )?;
    let receipt = Netcat::run(r2.at(5020), LETTER.as_bytes())?;
    let receipt = receipt.trim_end().to_owned();
    let stored = stored(store, "drop-0001")?;
    writeln!(
        out,
        "$ cat letter.txt\n{LETTER}$ nc -N 127.0.0.1 5020 < letter.txt\n{receipt}"
    )?;
    writeln!(
        out,
        "# In the folder where R2 was started:\n$ cat r2-store/drop-0001"
    )?;
    out.write_all(&stored)?;
    Ok(SentFile {
        name: "letter.txt".into(),
        original: LETTER.into(),
        sha256: sha256(LETTER.as_bytes()),
        receipt,
        stored_as: "drop-0001".into(),
        stored_sha256: sha256(&stored),
        stored: String::from_utf8(stored).map_err(io::Error::other)?,
    })
}

/// What R2 has of an upload. R2 renames it once, when it hears that its receipt has arrived: a file that has neither name
/// has been renamed between the two looks.
fn stored(store: &Path, name: &str) -> io::Result<Vec<u8>> {
    let look = |ending: &str| fs::read(store.join(format!("{name}{ending}")));
    look("").or_else(|_| look(".unconfirmed")).or_else(|_| look(""))
}

fn sha256(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes).into()).to_string()
}

fn file(r2: &Running, store: &Path, out: &mut impl Write) -> io::Result<()> {
    let photo = noise();
    let receipt = Netcat::run(r2.at(5020), &photo)?;
    writeln!(
        out,
        "\n$ nc -N 127.0.0.1 5020 < photo.jpg\n{}",
        receipt.trim_end()
    )?;
    writeln!(out, "$ sha256sum photo.jpg\n{}  photo.jpg", sha256(&photo))?;
    if stored(store, "drop-0002")? != photo {
        return Err(io::Error::other("R2 has other bytes than KALI sent"));
    }
    writeln!(
        out,
        "\n# The end of a connection proves nothing, so files can be announced: name and length, SHA-256 if you like.\n"
    )?;
    for (said, line) in [
        (
            "PUT notes.txt 6\nhello\n",
            "(echo PUT notes.txt 6; echo hello) | nc -N 127.0.0.1 5030",
        ),
        ("GET notes.txt\n", "echo GET notes.txt | nc -N 127.0.0.1 5030"),
        ("LIST\n", "echo LIST | nc -N 127.0.0.1 5030"),
    ] {
        let answer = Netcat::run(r2.at(5030), said.as_bytes())?;
        writeln!(out, "$ {line}\n{}", answer.trim_end())?;
    }
    Ok(())
}

/// Bytes without a pattern, the same at every run.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        // The generator of "Numerical Recipes"; its high bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..FILE).map(|_| next()).collect()
}
