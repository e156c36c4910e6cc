use super::*;
use crate::words::complete;

fn told(words: &[(&str, &str)], text: &str) -> Option<String> {
    let words = words.iter().map(|(english, chinese)| ((*english).to_owned(), (*chinese).to_owned())).collect();
    Told::of(&words).known(text, &mut { LOOKS })
}

fn catalogue() -> BTreeMap<String, String> {
    let first = |(english, found): (String, Vec<(String, String)>)| (english, found.into_iter().next().unwrap().1);
    complete::words().into_iter().map(first).collect()
}

#[test]
fn names_and_numbers_are_put_in_again() {
    let words = [
        ("Volume {} is healthy.", "卷 {} 健康。"),
        ("Replica {} on {} was rebuilt.", "{1} 上的副本 {0} 已重建。"),
        ("Try again.", "请重试。"),
    ];
    for (english, chinese) in [
        ("Volume data is healthy.", Some("卷 data 健康。")),
        ("Replica v-r-1 on node-2 was rebuilt.", Some("node-2 上的副本 v-r-1 已重建。")),
        ("Volume 数据 is healthy.", Some("卷 数据 健康。")),
        ("Volume  is healthy.", Some("卷  健康。")),
        ("Try again.", Some("请重试。")),
        ("Volume data is healthy", None),
        ("Something else was said.", None),
        ("", None),
        (" ", None),
        (".", None),
        ("…", None),
    ] {
        assert_eq!(told(&words, english).as_deref(), chinese, "{english:?}");
    }
}

#[test]
fn the_pattern_with_most_of_its_own_wins() {
    let words = [
        ("Volume {} is {} of {}.", "卷 {0} 是 {2} 的{1}。"),
        ("Volume {} is a complete copy of {}.", "卷 {} 是 {} 的完整副本。"),
        ("Volume {}", "卷 {}"),
        ("{}", "!{}"),
    ];
    assert_eq!(told(&words, "Volume a is a complete copy of b.").unwrap(), "卷 a 是 b 的完整副本。");
    assert_eq!(told(&words, "Volume a is half of b.").unwrap(), "卷 a 是 b 的half。");
    assert_eq!(told(&words, "Any text at all."), None, "a place alone says nothing");
}

#[test]
fn sentences_within_sentences() {
    let words = [
        ("{} waits: {}.", "{} 正在等待：{}。"),
        ("replica {} failed: {}", "副本 {} 失败：{}"),
        ("the disk is full", "磁盘已满"),
        ("{}; {}", "{}；{}"),
        ("Add a disk.", "请添加磁盘。"),
        ("Ready", "已就绪"),
    ];
    let several = "data waits: replica r-1 failed: the disk is full; replica r-2 failed: odd thing.";
    assert_eq!(told(&words, several).unwrap(), "data 正在等待：副本 r-1 失败：磁盘已满；副本 r-2 失败：odd thing。");
    assert_eq!(
        told(&words, "data waits: the disk is full. Add a disk.").unwrap(),
        "data 正在等待：磁盘已满。请添加磁盘。"
    );
    assert_eq!(told(&words, "Odd thing. Add a disk.").unwrap(), "Odd thing. 请添加磁盘。");
    assert_eq!(told(&words, "Ready waits: Ready.").unwrap(), "Ready 正在等待：Ready。", "a name is no word");
    assert_eq!(told(&words, "Ready").unwrap(), "已就绪");
}

#[test]
fn a_short_pattern_takes_names_and_sentences_only() {
    let words = [("{} on {}", "{1} 上的 {0}"), ("disk {} of {}", "{1} 的磁盘 {0}"), ("{}: {}", "{}：{}")];
    assert_eq!(told(&words, "r-1 on n-1").unwrap(), "n-1 上的 r-1");
    assert_eq!(told(&words, "10 GiB on n-1").unwrap(), "n-1 上的 10 GiB");
    assert_eq!(told(&words, "disk d of n-1 on rack-2").unwrap(), "rack-2 上的 n-1 的磁盘 d");
    assert_eq!(told(&words, "what goes on there"), None);
    let words =
        [("{} volume", "{} 个卷"), ("{} is missing", "缺少 {}"), ("{} has no {}", "{} 没有 {}"), ("{}; {}", "{}；{}")];
    for foreign in ["The volume", "its mount is missing", "the volume has no name"] {
        assert_eq!(told(&words, foreign), None, "{foreign}");
    }
    assert_eq!(told(&words, "1 volume").unwrap(), "1 个卷");
    assert_eq!(told(&words, "n-1 has no disk; n-2 has no disk").unwrap(), "n-1 没有 disk；n-2 没有 disk");
}

#[test]
fn places_side_by_side_and_what_could_take_for_ever() {
    let words =
        [("Replica {} failed{}; wait.", "副本 {} 失败{}；请等待。"), (": {}", "：{}"), ("{}{} there", "那里 {}{}")];
    assert_eq!(told(&words, "Replica r failed; wait.").unwrap(), "副本 r 失败；请等待。");
    assert_eq!(told(&words, "Replica r failed: why; wait.").unwrap(), "副本 r 失败：why；请等待。");
    assert_eq!(told(&words, "x there").unwrap(), "那里 x");
    let joiners = [("{}: {}", "{}：{}"), ("{}; {}", "{}；{}"), ("{}, {}", "{}、{}"), ("{} on {}", "{}{}")];
    let long = "it is odd: a b, c on d; e f. ".repeat(200);
    assert_eq!(told(&joiners, &long), None);
}

#[test]
fn each_text_of_the_manager_is_told_with_its_own_pattern() {
    let all = catalogue();
    let told = Told::of(&all);
    let mut wrong = Vec::new();
    for (english, found) in complete::words() {
        let (file, chinese) = &found[0];
        if !file.starts_with("server-") || !english.contains(' ') {
            continue;
        }
        let names: Vec<String> = (1..=english.matches("{}").count()).map(|number| format!("x{number}")).collect();
        let places: Vec<&dyn Display> = names.iter().map(|name| name as &dyn Display).collect();
        let (text, wanted) = (filled(&english, &places), filled(chinese, &places));
        let said = told.known(&text, &mut { LOOKS });
        // A line's end is not shown.
        if said.as_deref() != Some(wanted.trim_end()) {
            wrong.push(format!("{text:?}: {said:?}, wanted {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} texts are told with another pattern:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sentences_as_the_manager_puts_them_together() {
    let all = catalogue();
    let told = Told::of(&all);
    for (english, chinese) in [
        (
            "A replica of data needs a node of its own; node-1, node-2 hold one already, and no other node can take it \
             (node-3 has no disk; disk d on node-4 is not ready).",
            "data 的一个副本需要独占一个节点；node-1、node-2 已有副本，没有其他节点可以接收（node-3 没有磁盘；node-4 上的磁盘 \
             d 未就绪）。",
        ),
        (
            "Emptying disk d on node-1 concerns 3 volumes. 1 replica would be filled, 10 GiB to copy.",
            "清空 node-1 上的磁盘 d 涉及 3 个卷。将填充 1 个副本，复制 10 GiB。",
        ),
        (
            "node-1 is cordoned and may not go yet: 2 volumes are attached there, 1 replica is left there.",
            "node-1 已封锁，但还不能离开：2 个卷挂接在那里、1 个副本还在那里。",
        ),
        (
            "Volume data is degraded: Replica r-1 on node-1 waits: rebuilding is switched off.",
            "卷 data 已降级：node-1 上的副本 r-1 正在等待：重建已关闭。",
        ),
        (
            "iscsiadm not installed, needed for attaching volumes of other machines by iSCSI. Install it: apt install x",
            "未安装 iscsiadm，通过 iSCSI 挂接其他机器的卷需要它。请安装：apt install x",
        ),
        (
            "Backup b of data was not made: starting replica r on node-1 failed: odd.",
            "data 的备份 b 未能完成：在 node-1 上启动副本 r 失败：odd。",
        ),
    ] {
        assert_eq!(told.known(english, &mut { LOOKS }).as_deref(), Some(chinese), "{english}");
    }
}
