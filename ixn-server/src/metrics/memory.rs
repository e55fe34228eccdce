//! The memory of this process.

/// The memory that is in use (resident), bytes. None where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kibibytes.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
