package egress

import "strings"

// defaultDomains is what include "defaults" stands for: where code, packages and models come from. Each is meant with all names below it.
var defaultDomains = strings.Fields(`
	github.com githubusercontent.com githubassets.com ghcr.io github.dev gitlab.com bitbucket.org codeberg.org sr.ht
	npmjs.org npmjs.com yarnpkg.com jsr.io nodejs.org deno.land deno.com bun.sh unpkg.com jsdelivr.net
	pypi.org pythonhosted.org pypa.io python.org anaconda.org anaconda.com astral.sh
	golang.org go.dev goproxy.io crates.io rust-lang.org rustup.rs rubygems.org ruby-lang.org bundler.io packagist.org getcomposer.org
	maven.org apache.org gradle.org sonatype.org nuget.org hex.pm hackage.haskell.org cpan.org metacpan.org pub.dev swift.org
	docker.com docker.io quay.io gcr.io pkg.dev registry.k8s.io mcr.microsoft.com
	debian.org ubuntu.com launchpad.net archlinux.org alpinelinux.org fedoraproject.org centos.org nixos.org kernel.org
	anthropic.com claude.ai openai.com chatgpt.com googleapis.com generativelanguage.googleapis.com mistral.ai cohere.com cohere.ai
	groq.com x.ai deepseek.com openrouter.ai perplexity.ai together.xyz fireworks.ai replicate.com huggingface.co hf.co
	fly.io sprites.dev vscode.dev visualstudio.com playwright.dev cypress.io sentry.io
`)
