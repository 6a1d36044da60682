//! Segments of the gate's own: for smoltcp in a peer's name, or for a peer.

use smoltcp::phy::DeviceCapabilities;
use smoltcp::wire::{IpEndpoint, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

/// Bytes of a bare segment over IPv6, the longer, with a byte in it.
pub(crate) const BARE_MAX: usize = 40 + 20 + 1;

/// An acknowledgement, and little else.
pub(crate) struct Bare {
    from: IpEndpoint,
    to: IpEndpoint,
    tcp: TcpRepr<'static>,
}

impl Bare {
    /// An acknowledgement of all before `ack`, at `seq`, with a closed window.
    pub(crate) fn new(from: IpEndpoint, to: IpEndpoint, seq: u32, ack: u32) -> Self {
        let tcp = TcpRepr {
            src_port: from.port,
            dst_port: to.port,
            control: TcpControl::None,
            seq_number: TcpSeqNumber(seq.cast_signed()),
            ack_number: Some(TcpSeqNumber(ack.cast_signed())),
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        Self { from, to, tcp }
    }

    /// The same with a byte.
    pub(crate) fn with_byte(mut self) -> Self {
        self.tcp.payload = &[0];
        self
    }

    /// The same with that window, as it stands in a header.
    pub(crate) fn with_window(mut self, window: u16) -> Self {
        self.tcp.window_len = window;
        self
    }

    /// The same with FIN.
    pub(crate) fn with_fin(mut self) -> Self {
        self.tcp.control = TcpControl::Fin;
        self
    }

    /// The same with RST.
    pub(crate) fn with_rst(mut self) -> Self {
        self.tcp.control = TcpControl::Rst;
        self
    }

    fn ip(&self) -> IpRepr {
        IpRepr::new(
            self.from.addr,
            self.to.addr,
            IpProtocol::Tcp,
            self.tcp.buffer_len(),
            64,
        )
    }

    /// How many bytes the packet has: at most [`BARE_MAX`].
    pub(crate) fn len(&self) -> usize {
        self.ip().buffer_len()
    }

    /// Writes the packet to the front of `room`, and returns it.
    pub(crate) fn write<'r>(&self, room: &'r mut [u8], capabilities: &DeviceCapabilities) -> &'r [u8] {
        let (ip, checksum) = (self.ip(), &capabilities.checksum);
        ip.emit(&mut *room, checksum);
        if let Some(segment) = room.get_mut(ip.header_len()..) {
            let mut segment = TcpPacket::new_unchecked(segment);
            self.tcp
                .emit(&mut segment, &self.from.addr, &self.to.addr, checksum);
        }
        room.get(..ip.buffer_len()).unwrap_or_default()
    }
}
