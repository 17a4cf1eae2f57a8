package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// bare is what the reference decodes and validates: the fields that a relay which only forwards events would need.
type bare struct {
	EventID   string `json:"EVENT.ID" binding:"required,numeric,max=20"`
	Value     string `json:"EVENT.VALUE" binding:"required,oneof=0 1"`
	Source    string `json:"EVENT.SOURCE" binding:"required,oneof=0 1 2 3 4"`
	Severity  string `json:"EVENT.NSEVERITY" binding:"omitempty,oneof=0 1 2 3 4 5"`
	Name      string `json:"EVENT.NAME" binding:"required"`
	Date      string `json:"EVENT.DATE" binding:"required"`
	Time      string `json:"EVENT.TIME" binding:"required"`
	Tags      string `json:"EVENT.TAGSJSON"`
	OpData    string `json:"EVENT.OPDATA"`
	Host      string `json:"HOST.HOST"`
	HostName  string `json:"HOST.NAME"`
	SendTo    string `json:"ALERT.SENDTO"`
	Message   string `json:"ALERT.MESSAGE"`
	TriggerID string `json:"TRIGGER.ID"`
}

// reference is the process to compare with: a gin handler that decodes, validates and answers 202, without signatures and without a
// store. It ends with its standard input.
func reference([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: bareHandler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent process
		_ = server.Close()
	}()
	fmt.Println(l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed { //nolint:errorlint // Serve returns it unwrapped
		return err
	}
	return nil
}

func bareHandler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.POST("/v1/zabbix/events", func(c *gin.Context) {
		var b bare
		if err := c.ShouldBindJSON(&b); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusAccepted, gin.H{"problem": "main/" + b.EventID})
	})
	e.GET("/metrics", gin.WrapH(promhttp.Handler()))
	return e
}
