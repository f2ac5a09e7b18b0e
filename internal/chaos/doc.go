// Package chaos is a test that breaks everything around three instances of Evently while people
// book, writes down what everybody was told, and checks that it could all be true of seats that
// are sold once. `make chaos` runs it.
package chaos
