//! What catches up: the server's own replica in one of three settings, or Tributary.

/// The system that catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// The native replica with 4 parallel threads in optimistic mode: what the user runs.
    NativeOptimistic,
    /// The native replica with 4 parallel threads in conservative mode.
    NativeConservative,
    /// The native replica with its serial applier: its best setting on small transactions.
    NativeSerial,
    /// Tributary with 4 workers.
    Tributary,
}

/// How the server's own replica is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NativeSetting {
    /// `slave_parallel_threads`.
    pub(crate) threads: u16,
    /// `slave_parallel_mode`.
    pub(crate) mode: &'static str,
}

impl System {
    /// Every system, in the order of a round.
    pub(crate) const ALL: [System; 4] = [
        System::NativeOptimistic,
        System::NativeConservative,
        System::NativeSerial,
        System::Tributary,
    ];

    /// The systems that are set beside each other where a catch-up is not measured: the user's and ours.
    pub(crate) const SIDE_BY_SIDE: [System; 2] = [System::NativeOptimistic, System::Tributary];

    /// The name in results, filters and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            System::NativeOptimistic => "native-4-optimistic",
            System::NativeConservative => "native-4-conservative",
            System::NativeSerial => "native-0",
            System::Tributary => "tributary",
        }
    }

    /// The native replica's setting; `None` for Tributary.
    pub(crate) fn native(self) -> Option<NativeSetting> {
        let (threads, mode) = match self {
            System::NativeOptimistic => (4, "optimistic"),
            System::NativeConservative => (4, "conservative"),
            System::NativeSerial => (0, "optimistic"),
            System::Tributary => return None,
        };
        Some(NativeSetting { threads, mode })
    }
}
