WORD = "by its dotted name"
