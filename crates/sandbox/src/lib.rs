//! Real mariadbd servers in temporary directories, call-centre traffic, faults and comparisons.
