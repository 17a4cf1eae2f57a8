// Package helm tests the chart in alert-relay, with Helm's own engine. It is a module of its own: Helm and Kubernetes need some 80
// modules that the relay doesn't (docs/adr/033-the-chart-is-a-module.md).
package helm
