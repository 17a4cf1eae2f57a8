package doctor

import (
	"context"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/zabbix"
)

func setupChecks(context.Context, *list, Options, config.Source, *zabbix.Client, bool, connection) {}
