//! `/who`, `/nick`, `/help`, `/quit`.

use r2_tests::carrier::{Carrier, End};

use crate::chat_room::{both_see, two_peers};

pub(crate) fn who_is_here_and_who_is_called_what(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(first, b"/who\nKALI: /dance now\n/help\n/nick kali-2\n/nick r2\n");
    for answer in [
        "* here: R2 KALI KALI-2\n",
        "* unknown command /dance\n",
        "* commands: /nick NAME, /who, /quit, /help\n",
        "* name taken\n",
        "* name taken\n",
    ] {
        assert_eq!(r2.line(first), answer);
    }
    r2.send(first, b"/nick Bob\n");
    both_see(r2, (first, second), &["* KALI is now Bob"]);
    r2.send(second, b"/quit\nnever said\n");
    assert_eq!(r2.read_to_end(second), (vec![], End::Fin));
    assert_eq!(r2.line(first), "* KALI-2 left\n");
}
