// Package lint holds the repository to its own rules: layers, where unsafe and
// host calls may be, file sizes, package comments, links in documents. It is all
// tests; `go test ./internal/lint` names each offender with the rule it breaks.
package lint
