//! One suite for every carrier. A behaviour is written once, against [`Carrier`] or, where it needs R2's clock or
//! store in hand, against `Inside`. `node` is what needs a device: frames, and who counts them.
#![allow(missing_docs)]

mod capture;
mod chat_commands;
mod chat_lines;
mod chat_room;
mod diag;
mod drop_full;
mod drop_silence;
mod drop_states;
mod files_bodies;
mod files_overwrite;
mod files_refused;
mod files_resume;
mod files_round_trip;
mod foreign;
mod secret_examples;
mod stores;

use r2_core::hex::Hex;
use r2_tests::carrier::{Carrier, End, Peer, Service};
use sha2::{Digest, Sha256};

/// Runs each behaviour on each carrier, as a test of its own. The memory carrier runs it at several sizes of pieces
/// and rooms. Boards run what fits them; what does not stands under the name of what it needs.
macro_rules! conformance {
    (
        everywhere: $($small:ident::$fits:ident),* ;
        two_files_connections: $($paired:ident::$together:ident),* ;
        store_of_64_kib: $($roomy:ident::$large:ident),* ;
        store_of_exactly_max_store: $($full:ident::$filled:ident),* ;
        node: $($captured:ident::$framed:ident),* ;
        inside: $($module:ident::$within:ident),* $(,)?
    ) => {
        conformance! {
            @hosts
            node: $($captured::$framed),* ;
            live: $($small::$fits,)* $($paired::$together,)* $($roomy::$large,)* $($full::$filled),* ;
            inside: $($module::$within),*
        }
        /// Boards in emulators, one for each test, in a network of its own: needs root and their images.
        #[cfg(feature = "e2e")]
        mod boards {
            /// It has one connection for files, and a store of 8 KiB.
            mod lm3s6965evb {
                use r2_tests::carrier::Booted;
                $(#[test] fn $fits() { crate::$small::$fits(&mut Booted::on("lm3s6965evb")); })*
                $(#[test] fn $framed() { crate::$captured::$framed(&mut Booted::on("lm3s6965evb")); })*
            }
            /// Its store is as large as its flash leaves it, and it offers no capture.
            mod w5500_evb_pico {
                use r2_tests::carrier::Booted;
                $(#[test] fn $fits() { crate::$small::$fits(&mut Booted::on("w5500-evb-pico")); })*
                $(#[test] fn $together() { crate::$paired::$together(&mut Booted::on("w5500-evb-pico")); })*
                $(#[test] fn $large() { crate::$roomy::$large(&mut Booted::on("w5500-evb-pico")); })*
            }
            /// Its store is as large as its flash leaves it, which is not `MAX_STORE`.
            mod mps2_an385 {
                use r2_tests::carrier::Booted;
                $(#[test] fn $fits() { crate::$small::$fits(&mut Booted::on("mps2-an385")); })*
                $(#[test] fn $framed() { crate::$captured::$framed(&mut Booted::on("mps2-an385")); })*
                $(#[test] fn $together() { crate::$paired::$together(&mut Booted::on("mps2-an385")); })*
                $(#[test] fn $large() { crate::$roomy::$large(&mut Booted::on("mps2-an385")); })*
            }
        }
    };
    (@hosts node: $($captured:ident::$framed:ident),* ; live: $($live:ident::$anywhere:ident),* ; inside: $($module:ident::$within:ident),*) => {
        mod memory {
            use r2_tests::carrier::Memory;
            const SIZES: [(usize, usize); 4] = [(1, 1), (7, 3), (1460, 2048), (usize::MAX, 65_536)];
            $(#[test] fn $anywhere() {
                for (split, room) in SIZES {
                    super::$live::$anywhere(&mut Memory::new(split, room));
                }
            })*
            $(#[test] fn $within() {
                for (split, room) in SIZES {
                    super::$module::$within(&mut Memory::new(split, room));
                }
            })*
        }
        mod kernel {
            use r2_tests::carrier::Kernel;
            $(#[test] fn $anywhere() { super::$live::$anywhere(&mut Kernel::start()); })*
            $(#[test] fn $within() { super::$module::$within(&mut Kernel::start()); })*
        }
        /// `hostapp serve`, in a network of each test's own: needs root and the release build.
        #[cfg(feature = "e2e")]
        mod tap {
            use r2_tests::carrier::Running;
            $(#[test] fn $anywhere() { super::$live::$anywhere(&mut Running::on_tap()); })*
            $(#[test] fn $framed() { super::$captured::$framed(&mut Running::on_tap()); })*
        }
        /// The same on the clients' own host, without any privilege.
        #[cfg(feature = "e2e")]
        mod local {
            use r2_tests::carrier::Running;
            $(#[test] fn $anywhere() { super::$live::$anywhere(&mut Running::on_local()); })*
            $(#[test] fn $framed() { super::$captured::$framed(&mut Running::on_local()); })*
        }
    };
}

conformance! {
    everywhere:
        chat_commands::who_is_here_and_who_is_called_what,
        chat_lines::a_long_line_is_cut_between_characters,
        chat_lines::a_last_line_without_ending_counts_at_fin,
        chat_lines::a_last_line_without_ending_is_lost_at_reset,
        chat_room::every_screen_shows_every_line_once,
        chat_room::nobody_can_forge_a_label,
        diag::echo_gives_back_every_byte,
        diag::discard_says_nothing,
        diag::chargen_begins_like_the_rfc,
        drop_silence::a_hint_does_not_end_the_upload,
        drop_states::reset_before_fin_is_partial,
        chat_lines::a_return_alone_ends_a_line,
        chat_lines::a_peer_that_repeats_what_it_was_sent_is_muted,
        files_bodies::the_same_file_may_be_sent_again_without_waiting,
        files_bodies::a_file_of_which_a_part_is_there_may_be_sent_whole,
        files_bodies::a_peer_that_resumes_is_asked_for_the_rest_alone,
        foreign::the_body_of_a_request_deletes_nothing,
        foreign::secret_tells_no_code,
        foreign::chat_says_nothing_of_it,
        files_refused::names_that_a_peer_may_not_give,
        files_refused::lengths_beyond_all_bounds,
        files_refused::the_bytes_of_a_refused_put_are_no_commands,
        files_refused::a_line_too_long_gets_one_answer,
        files_refused::a_mismatch_stores_nothing,
        files_resume::a_download_goes_on_where_it_broke,
        files_round_trip::a_pipelined_put_is_stored,
        files_round_trip::a_file_without_a_byte,
        secret_examples::the_three_examples,
        secret_examples::many_lines_in_one_packet_keep_their_order,
        secret_examples::a_string_that_rests_is_answered_as_it_stands;
    two_files_connections:
        files_overwrite::the_old_file_is_whole_until_the_new_one_is,
        files_overwrite::two_uploads_of_one_name_are_one_too_many,
        files_resume::an_upload_goes_on_where_it_broke,
        files_round_trip::put_list_get_delete;
    store_of_64_kib:
        drop_states::every_size_gets_its_receipt;
    store_of_exactly_max_store:
        drop_full::a_full_store_says_so_and_serves_on;
    node:
        capture::a_conversation_is_there_in_both_directions,
        capture::a_reader_that_is_too_slow_loses_whole_frames,
        foreign::the_status_page_is_not_for_browsers;
    inside:
        drop_silence::five_seconds_of_silence_get_one_hint,
        drop_silence::a_minute_of_silence_gets_the_receipt,
        drop_silence::the_clock_stands_while_the_store_takes_nothing,
        drop_states::reset_behind_fin_is_never_confirmed,
}

fn sha256(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes).into()).to_string()
}

/// Bytes whose pattern has no power of two.
fn payload(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|i| (i * i % 251).to_le_bytes()[0])
        .collect()
}

/// One conversation with the files service, to both FINs.
fn files(r2: &mut impl Carrier, said: &[u8]) -> Vec<u8> {
    let peer = r2.connect(Service::Files);
    r2.send(peer, said);
    half_close_and_read(r2, peer)
}

fn half_close_and_read(r2: &mut impl Carrier, peer: Peer) -> Vec<u8> {
    r2.half_close(peer);
    let (heard, end) = r2.read_to_end(peer);
    assert_eq!(end, End::Fin);
    heard
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

fn list(r2: &mut impl Carrier) -> Vec<String> {
    let listed = text(files(r2, b"LIST\n"));
    assert!(listed.ends_with("END\n"), "{listed}");
    listed
        .lines()
        .filter(|line| *line != "END")
        .map(String::from)
        .collect()
}

/// Waits until R2 has begun to take the upload `name`.
fn eventually_busy(r2: &mut impl Carrier, name: &str) {
    let question = format!("GET {name}");
    let busy = (0..100).any(|_| files(r2, question.as_bytes()).starts_with(b"ERROR busy "));
    assert!(busy, "{name} is not being uploaded");
}

/// Waits until the list has this file: a running server hears of the end of a connection in its own time.
fn eventually_listed(r2: &mut impl Carrier, line: &str) {
    let listed = (0..100).any(|_| list(r2).iter().any(|other| other == line));
    assert!(listed, "no {line} in {:?}", list(r2));
}
