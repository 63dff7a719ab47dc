// Package switchback is the root of the module and holds no code: the program is cmd/switchback, the
// packages around it are its parts, and the test beside this file checks which may import which.
package switchback
