package metrics

import _ "github.com/switchback-proxy/switchback/config"
