// What starting any program of this kind costs: the floor of every row that is ours.
process.exit(0)
