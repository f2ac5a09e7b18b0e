// Package opstest holds what is around the code against the code: the Dockerfile, the files under
// deploy/, and the documentation. It is tests only.
package opstest
