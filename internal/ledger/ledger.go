// Package ledger folds the journal into problems and posts. It is the only
// writer of problems.
package ledger
