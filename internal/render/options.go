package render

import "nms-alert-relay/internal/config"

// OptionsOf returns the Options of a configuration.
func OptionsOf(cfg *config.Config) Options {
	o := Options{Dir: cfg.Templates.Dir, Sources: map[string]string{}}
	for _, s := range cfg.Zabbix {
		o.Sources[s.Name] = s.Links()
	}
	for _, rule := range cfg.Routes {
		o.RouteDirs = append(o.RouteDirs, rule.Templates)
	}
	return o
}
