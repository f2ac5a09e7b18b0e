// Package chaos is a test that breaks the stores, the instances and the network of a cluster of Evently
// while clients book, records every response, and checks that seats and money stay consistent. `make
// chaos` runs it.
package chaos
