# help.awk - print a Makefile's targets from its comments: "##@ group", "target: ## text", and "#: variables" under a target.
BEGIN { print "Lockstep. The data's way: make train -> make vectors -> make sim" }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / {
    target = text = $0
    sub(/:.*/, "", target)
    sub(/.*## /, "", text)
    printf "  %-12s %s\n", target, text
}
/^#: / { printf "  %-12s   %s\n", "", substr($0, 4) }
