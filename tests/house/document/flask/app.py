# Blocks: "Image Processing API" and "Report Generation".
import os
import sqlite3
from datetime import datetime, timedelta

import pandas as pd
from flask import Flask, jsonify, request
from PIL import Image
from werkzeug.utils import secure_filename

from cotality.tuning import execute

app = Flask(__name__)
app.config["UPLOAD_FOLDER"] = os.environ["SHOP_UPLOADS"]
app.config["ALLOWED_EXTENSIONS"] = {"png", "jpg", "jpeg", "gif"}


def process_image(filepath):
    """Process a single image (resize, compress, etc.)."""
    with Image.open(filepath) as img:
        # Resize to thumbnail
        img.thumbnail((200, 200))

        # Save compressed version
        output_path = filepath.replace("/uploads/", "/processed/")
        os.makedirs(os.path.dirname(output_path), exist_ok=True)
        img.save(output_path, optimize=True, quality=85)

        return {
            "original": filepath,
            "processed": output_path,
            "size": os.path.getsize(output_path),
        }


@app.route("/images/batch-process", methods=["POST"])
def batch_process_images():
    if "files" not in request.files:
        return jsonify({"error": "No files uploaded"}), 400

    files = request.files.getlist("files")

    # Save uploaded files
    filepaths = []
    for file in files:
        if file and allowed_file(file.filename):
            filename = secure_filename(file.filename)
            filepath = os.path.join(app.config["UPLOAD_FOLDER"], filename)
            file.save(filepath)
            filepaths.append(filepath)

    # Process images in parallel
    results = execute(func=process_image, data=filepaths, verbose=False)

    return jsonify({"processed": len(results), "results": results})


def allowed_file(filename):
    return (
        "." in filename
        and filename.rsplit(".", 1)[1].lower() in app.config["ALLOWED_EXTENSIONS"]
    )


def generate_report(params):
    """Generate a single report."""
    user_id = params["user_id"]
    start_date = params["start_date"]
    end_date = params["end_date"]

    connection = get_db_connection()
    df = pd.read_sql(
        f"""
        SELECT * FROM transactions
        WHERE user_id = {user_id}
        AND date BETWEEN '{start_date}' AND '{end_date}'
        """,
        con=connection,
    )
    connection.close()

    # Generate report statistics
    report = {
        "user_id": user_id,
        "total_transactions": len(df),
        "total_amount": float(df["amount"].sum()),
        "avg_amount": float(df["amount"].mean()),
        "period": f"{start_date} to {end_date}",
    }

    return report


@app.route("/reports/batch", methods=["POST"])
def batch_generate_reports():
    data = request.get_json()
    user_ids = data.get("user_ids", [])
    days = data.get("days", 30)

    # Prepare report parameters
    end_date = datetime.now()
    start_date = end_date - timedelta(days=days)

    report_params = [
        {
            "user_id": uid,
            "start_date": start_date.strftime("%Y-%m-%d"),
            "end_date": end_date.strftime("%Y-%m-%d"),
        }
        for uid in user_ids
    ]

    # Generate reports in parallel
    reports = execute(func=generate_report, data=report_params, verbose=False)

    return jsonify({"reports": reports, "count": len(reports)})


def get_db_connection():
    return sqlite3.connect(os.environ["SHOP_DATABASE"])


@app.route("/health")
def health():
    return jsonify({"status": "ok"})
