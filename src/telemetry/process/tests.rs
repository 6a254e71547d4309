use super::*;

#[test]
fn what_linux_tells_is_understood() {
    let stat = "17 (a) b) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1000 200 18446744073709551615";
    assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
    let status = "Name:\tperch\nVmRSS:\t    2048 kB\nRssAnon:\t     512 kB\n";
    assert_eq!((bytes(status, "VmRSS:"), bytes(status, "RssAnon:")), (Some(2_097_152), Some(524_288)));
    assert_eq!(bytes(status, "RssFile:"), None);
}
