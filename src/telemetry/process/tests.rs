use super::*;

#[test]
#[cfg(target_os = "linux")]
fn memory_and_time_of_this_process_rise_with_use() {
    let before = usage(std::process::id()).expect("it runs");
    let held = vec![1_u8; 64 << 20];
    let start = std::time::Instant::now();
    let mut after = usage(std::process::id()).expect("it runs");
    // A tick is 10 ms of CPU time, which this loop takes sooner or later.
    while after.cpu <= before.cpu && start.elapsed() < Duration::from_secs(60) {
        after = usage(std::process::id()).expect("it runs");
    }
    assert!(after.cpu > before.cpu, "{before:?} {after:?}");
    assert!(after.anonymous_bytes > 32 << 20, "{after:?} with {} bytes held", held.len());
    assert_eq!(usage(u32::MAX), None);
}
