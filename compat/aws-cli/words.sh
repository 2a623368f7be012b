# What the scripts of this folder share: an account, a region, and short words for checking.

export AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=eu-west-1
export AWS_MAX_ATTEMPTS=1 AWS_PAGER="" AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null

# equal WHAT SEEN EXPECTED
equal() {
    if [ "$2" != "$3" ]; then
        echo "FAIL $1: expected '$3', saw '$2'"
        exit 1
    fi
    echo "ok   $1"
}

# refused WHAT CODE COMMAND..: the command must fail and name the error code.
refused() {
    local what=$1 code=$2 output
    shift 2
    if output=$("$@" 2>&1); then
        echo "FAIL $what: expected $code, but it was answered: $output"
        exit 1
    fi
    case $output in
        *"($code)"*) echo "ok   $what" ;;
        *) echo "FAIL $what: expected $code, saw $output" && exit 1 ;;
    esac
}

lines() { paste -sd, -; }
