//! Two machines that ask for the same name at the same time (RFC 6762, section 8.2).

use core::cmp::Ordering;

use super::records::Records;
use super::wire::{DnsMessage, DnsRecord, Section};

/// Whether `theirs`, a probe for one of the names of `records`, comes behind `own`, a probe as well: then that machine has
/// them. The first name for which both ask decides for both, so that no two machines give way to each other.
pub(super) fn is_won_by(theirs: &DnsMessage<'_>, own: &DnsMessage<'_>, records: &Records<'_>) -> bool {
    let order_of = |is_name: &dyn Fn(&DnsRecord<'_>) -> bool| match least(theirs, is_name, None) {
        Some(_) => order(own, theirs, is_name),
        // Who does not say what it has does not ask for that name.
        None => Ordering::Equal,
    };
    let of_hosts = order_of(&|record| record.name.is(records.host()));
    let of_both = of_hosts.then_with(|| order_of(&|record| record.name.is(records.instance())));
    of_both == Ordering::Less
}

/// The order of the records that two probes have for a name: the first that differ decide, and of those that are alike
/// until one ends, the longer comes later.
fn order(one: &DnsMessage<'_>, other: &DnsMessage<'_>, is_name: &dyn Fn(&DnsRecord<'_>) -> bool) -> Ordering {
    let (mut last_one, mut last_other) = (None, None);
    loop {
        let next = (least(one, is_name, last_one), least(other, is_name, last_other));
        match next {
            (Some(a), Some(b)) if a.order(&b) == Ordering::Equal => {
                (last_one, last_other) = (Some(a), Some(b));
            }
            (Some(a), Some(b)) => return a.order(&b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

/// The first of the records behind `last` in their order. It is searched for each time: there are few.
fn least<'m>(
    probe: &DnsMessage<'m>,
    is_name: &dyn Fn(&DnsRecord<'_>) -> bool,
    last: Option<DnsRecord<'m>>,
) -> Option<DnsRecord<'m>> {
    let is_behind = |record: &DnsRecord<'m>| last.is_none_or(|last| record.order(&last) == Ordering::Greater);
    let records = probe.all_records();
    let records = records.filter(|record| record.section == Section::Authority);
    let first = |one: DnsRecord<'m>, other: DnsRecord<'m>| {
        if other.order(&one) == Ordering::Less {
            other
        } else {
            one
        }
    };
    records
        .filter(|record| is_name(record) && is_behind(record))
        .reduce(first)
}
