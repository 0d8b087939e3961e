# takes.awk - print which target takes which variable, from a Makefile's "#:" lines (those that help.awk prints), as words:
#   target/NAME  the line stands below the target: the recipe's $(flags) hands it to the script
#   target:NAME  the target takes it: its own, those of its group ("#:" below "##@", before any target) and of its prerequisites
/^##@ / { group = "@" ++groups; target = "" }
/^[a-z][a-z0-9-]*:([^=]|$)/ {
    target = text = $0
    sub(/:.*/, "", target)
    sub(/^[^:]*:/, "", text)
    sub(/#.*/, "", text)
    needs[target] = group " " text
    order[++targets] = target
}
/^#: / {
    place = target == "" ? group : target
    for (i = 2; i <= NF; i++)
        if (match($i, /^[A-Z][A-Z0-9_]*=/)) names[place] = names[place] " " substr($i, 1, RLENGTH - 1)
}
function show(root, place, mark,    list, count, i) {
    count = split(names[place], list, " ")
    for (i = 1; i <= count; i++)
        if (!((root mark list[i]) in shown)) {
            shown[root mark list[i]] = 1
            print root mark list[i]
        }
}
function walk(root, place,    list, count, i) {
    if ((root, place) in seen) return
    seen[root, place] = 1
    show(root, place, ":")
    count = split(needs[place], list, " ")
    for (i = 1; i <= count; i++) walk(root, list[i])
}
END {
    for (t = 1; t <= targets; t++) {
        show(order[t], order[t], "/")
        walk(order[t], order[t])
    }
}
